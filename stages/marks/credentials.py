"""Reading a C2PA manifest: is there one, does it hold, who signed. Nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from sdwebui_client._headers import png_chunks

from .errors import MarkError
from .jpeg import split
from .signing import MIME, SETTINGS, require_c2pa
from .xmp import GENERATED

_HOLDS = {"Trusted": "trusted", "Valid": "untrusted", "Invalid": "invalid"}
_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a C2PA manifest says and is worth."""

    state: str = "absent"
    """"absent"; "trusted" (it holds, by a trusted authority); "untrusted" (it holds, by an unknown one);
    "invalid" (picture or manifest were changed, or the certificate does not hold); "unreadable";
    "not-checked" (there is one, but the extra [c2pa] is not installed)."""
    signer: str | None = None
    """Common name of the certificate."""
    issuer: str | None = None
    """Organisation in the certificate."""
    source_type: str | None = None
    """Digital source type of the manifest's actions."""
    generator: str | None = None
    """Program that made the manifest."""
    problems: tuple[str, ...] = ()
    """C2PA's codes of what does not hold, or why it cannot be read."""

    @property
    def generated(self) -> bool:
        """Whether a manifest that holds says that the picture was generated."""
        return self.state in ("trusted", "untrusted") and self.source_type in GENERATED


def has_manifest(data: bytes) -> bool:
    """Whether a PNG or JPEG carries a C2PA manifest. Cheap; says nothing of its worth."""
    if data.startswith(b"\x89PNG"):
        return any(kind == b"caBX" for kind, _ in png_chunks(data))
    if data.startswith(b"\xff\xd8"):
        try:
            # JUMBF in APP11 (ISO/IEC 19566-5); C2PA's box names itself near its beginning.
            return any(part.marker == 0xEB and b"c2pa" in part.body[:96] for part in split(data)[0])
        except ValueError:
            return False
    return False


def read_signature(data: bytes, picture_format: str, *, trust: str | None = None) -> Signature:
    """Read and check the manifest of a picture.

    Args:
        data: The file.
        picture_format: "PNG", "JPEG" or "WEBP".
        trust: PEM of the authorities to be trusted; None trusts nobody.

    Raises:
        MarkError: `trust` holds no certificates.
    """
    try:
        c2pa = require_c2pa()
    except MarkError:
        return Signature("not-checked") if has_manifest(data) else Signature()
    settings: dict[str, Any] = {"verify": SETTINGS["verify"], "trust": dict(SETTINGS["trust"])}
    if trust is not None:
        if "-----BEGIN CERTIFICATE-----" not in trust:
            raise MarkError("certificate", "the file of trusted authorities holds no certificate (PEM)")
        settings["trust"]["user_anchors"] = trust
    mime = {**MIME, "WEBP": "image/webp"}[picture_format]
    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(mime, BytesIO(data), None, context) as reader,
        ):
            store = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Signature()
    except (c2pa.C2paError, ValueError) as error:
        return Signature("unreadable", problems=(str(error),))
    return _signature(store)


def _signature(store: Mapping[str, Any]) -> Signature:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    info = manifest.get("signature_info") or {}
    generators = manifest.get("claim_generator_info") or [{}]
    state = _HOLDS.get(str(store.get("validation_state")), "unreadable")
    problems = [str(entry.get("code")) for entry in store.get("validation_status") or ()]
    return Signature(
        state=state,
        signer=info.get("common_name"),
        issuer=info.get("issuer"),
        source_type=next(_source_types(manifest), None),
        generator=generators[0].get("name"),
        problems=tuple(code for code in problems if code != _UNTRUSTED or state == "invalid"),
    )


def _source_types(manifest: Mapping[str, Any]) -> Iterator[str]:
    for assertion in manifest.get("assertions") or ():
        if str(assertion.get("label")).startswith("c2pa.actions"):
            for action in assertion.get("data", {}).get("actions") or ():
                if "digitalSourceType" in action:
                    yield str(action["digitalSourceType"])
