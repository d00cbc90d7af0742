"""The client's methods by topic, one file a topic; `client.WebUI` puts them together."""

from __future__ import annotations

from ._base import build, route
from .catalogues import CatalogueRoutes
from .extensions import ExtensionRoutes
from .extras import ExtrasRoutes
from .internal import InternalRoutes
from .server import ServerRoutes

__all__ = [
    "CatalogueRoutes",
    "ExtensionRoutes",
    "ExtrasRoutes",
    "InternalRoutes",
    "ServerRoutes",
    "build",
    "route",
]
