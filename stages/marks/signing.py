"""Signing a picture with a C2PA manifest, and reading one back. Needs the extra [c2pa]; nothing is fetched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from sdwebui_client._headers import png_chunks

from ..lib.label import TRAINED_ALGORITHMIC_MEDIA
from .errors import MarkError
from .jpeg import split

MIME = {"PNG": "image/png", "JPEG": "image/jpeg"}
CLAIM_GENERATOR = "sdwebui-client"
# No thumbnail: a manifest is no place for another copy of a face. Nothing is fetched: a picture that somebody
# hands in must not make this machine call an address written in it.
_SETTINGS: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},
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
            f"the certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {signer.expires:%Y-%m-%d}",
            hint="Get a new one from its authority.",
        )
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
    """Put a signed manifest into a picture that has none."""
    c2pa = require_c2pa()
    action: dict[str, Any] = {
        "action": "c2pa.created",
        "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA,
        "softwareAgent": {"name": CLAIM_GENERATOR},
    }
    del parent
    manifest = {
        "claim_generator_info": [{"name": CLAIM_GENERATOR}],
        "title": title,
        "format": MIME[picture_format],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    out = BytesIO()
    try:
        info = c2pa.C2paSignerInfo(signer.algorithm, signer.chain_pem.encode(), signer.key_pem.encode(), None)
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Builder(json.dumps(manifest), context) as builder,
            c2pa.Signer.from_info(info) as native,
        ):
            builder.sign(native, MIME[picture_format], BytesIO(data), out)
    except c2pa.C2paError as error:
        raise MarkError("sign", f"the picture could not be signed: {error}") from error
    return out.getvalue()


def has_manifest(data: bytes) -> bool:
    """Whether a PNG or JPEG carries a C2PA manifest. Cheap; says nothing of its worth."""
    if data.startswith(b"\xff\xd8"):
        try:
            return any(part.marker == 0xEB and b"c2pa" in part.body[:64] for part in split(data)[0])
        except ValueError:
            return False
    return any(kind == b"caBX" for kind, _ in png_chunks(data)) if data.startswith(b"\x89PNG") else False
