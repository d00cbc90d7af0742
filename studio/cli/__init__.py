"""The command line: one command a file. `main` is `python -m sdwebui_client` and `sdwebui-client`."""

from ._app import main

__all__ = ["main"]
