"""Signing a picture with a C2PA manifest. Needs the extra [c2pa]; nothing is sent or fetched."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from ..lib.label import TRAINED_ALGORITHMIC_MEDIA
from .errors import MarkError

MIME = {"PNG": "image/png", "JPEG": "image/jpeg"}
CLAIM_GENERATOR = "sdwebui-client"
_PARENT = "parent"
_TRIAL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""
_SOURCE = TRAINED_ALGORITHMIC_MEDIA
# No thumbnail: a manifest is no place for another copy of a face. Nothing is fetched: a picture that somebody
# hands in must not make this machine call an address written in it.
PURPOSES = {
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "documentSigning": "1.3.6.1.5.5.7.3.36",
    "c2pa-kp-claimSigning": "1.3.6.1.4.1.62558.2.1",
}
"""Extended key usages of a signer: the two that C2PA's trust model names where no list is configured, and the
one of its own certificate policy (its number could not be looked up). Stated, as c2pa-python 0.38.1 takes
only the first when nothing is."""
SETTINGS: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},
    "trust": {"trust_config": "\n".join(PURPOSES.values())},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
}


@dataclass(frozen=True, slots=True)
class Signer:
    """An operator's certificate with its key, tried once when it was made."""

    chain_pem: str
    """The signing certificate first, then the authorities between it and the root."""
    key_pem: str = field(repr=False)
    algorithm: str
    """C2PA's name: "es256" …"""
    subject: str
    """Common name of the certificate."""
    expires: datetime


def make_signer(cert: Path | bytes, key: Path | bytes) -> Signer:
    """Read a certificate and its key, and look whether they can sign.

    Args:
        cert: PEM file or its content: the signing certificate, then its authorities.
        key: PEM file or its content: the private key, not encrypted.

    Raises:
        MarkError: The extra is missing; the files cannot be read, do not belong together or are out of date;
            or the certificate is of a kind that C2PA does not allow.
    """
    require_c2pa()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import NameOID

    chain_pem, key_pem = _read(cert), _read(key)
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem)[0]
        private = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, IndexError) as error:
        raise MarkError("certificate", f"the certificate or its key cannot be read: {error}") from error
    encoding = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*encoding) != private.public_key().public_bytes(*encoding):
        raise MarkError("certificate", "the key does not belong to the first certificate of the chain")
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    signer = Signer(
        chain_pem.decode("ascii"),
        key_pem.decode("ascii"),
        _algorithm(private),
        str(names[0].value) if names else leaf.subject.rfc4514_string(),
        leaf.not_valid_after_utc,
    )
    if not leaf.not_valid_before_utc <= datetime.now(UTC) <= signer.expires:
        raise MarkError(
            "certificate",
            f"the certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to "
            f"{signer.expires:%Y-%m-%d}",
            hint="Get a new one from its authority.",
        )
    # Whether C2PA accepts the certificate shows when it signs: better now than in the first job.
    sign(_TRIAL, "PNG", signer, title="trial")
    return signer


def _read(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise MarkError("certificate", f"{source} cannot be read: {error.strerror}") from error


def _algorithm(key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        found = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}.get(key.curve.name)
        if found:
            return found
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise MarkError(
        "certificate",
        "C2PA knows keys on the curves P-256, P-384 and P-521, RSA and Ed25519; this one is another",
    )


def require_c2pa() -> Any:
    """The package c2pa.

    Raises:
        MarkError: It is not installed.
    """
    try:
        import c2pa
    except ModuleNotFoundError as error:
        raise MarkError(
            "extra-missing",
            "the package c2pa-python is not installed, and signing needs it",
            hint='Run `pip install -e ".[c2pa]"`.',
        ) from error
    return c2pa


def sign(
    data: bytes, picture_format: str, signer: Signer, *, title: str, parent: bytes | None = None
) -> bytes:
    """Put a signed manifest into a picture.

    Args:
        data: PNG or JPEG.
        picture_format: "PNG" or "JPEG".
        signer: Who signs.
        title: Name of the picture in the manifest.
        parent: The picture with the manifest it had before it was changed: kept inside the new one.

    Raises:
        MarkError: The certificate cannot sign ("sign"); C2PA's own words are in it.
    """
    c2pa = require_c2pa()
    mime = MIME[picture_format]
    out = BytesIO()
    try:
        info = c2pa.C2paSignerInfo(signer.algorithm, signer.chain_pem.encode(), signer.key_pem.encode(), None)
        with (
            c2pa.Context.from_dict(SETTINGS) as context,
            c2pa.Builder(json.dumps(_manifest(mime, title, edited=parent is not None)), context) as builder,
            c2pa.Signer.from_info(info) as native,
        ):
            if parent is not None:
                ingredient = {"title": title, "relationship": "parentOf", "label": _PARENT}
                builder.add_ingredient(ingredient, mime, BytesIO(parent))
            builder.sign(native, mime, BytesIO(data), out)
    except c2pa.C2paError as error:
        raise MarkError(
            "sign",
            f"the picture could not be signed: {error}",
            hint="docs/id-photos-and-marks.md says what a certificate for C2PA must be like.",
        ) from error
    return out.getvalue()


def _manifest(mime: str, title: str, *, edited: bool) -> dict[str, Any]:
    agent = {"name": CLAIM_GENERATOR, "version": _version()}
    actions: list[dict[str, Any]]
    if edited:
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
        actions = [opened, {"action": "c2pa.edited", "softwareAgent": agent, "digitalSourceType": _SOURCE}]
    else:
        actions = [{"action": "c2pa.created", "softwareAgent": agent, "digitalSourceType": _SOURCE}]
    return {
        "claim_generator_info": [agent],
        "title": title,
        "format": mime,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("sdwebui-client")
    except metadata.PackageNotFoundError:
        return "unknown"
