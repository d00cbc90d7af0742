"""Certificates for tests of C2PA: a root of our own and signers of every sort, made anew each time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Chain:
    """A signer's certificate with its root, the key, and the root alone; all PEM."""

    cert: bytes
    key: bytes
    root: bytes


def make_chain(
    *,
    key: Any = None,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    valid: tuple[int, int] = (-2, 30),
    signer: str = "Test signer",
) -> Chain:
    """Make a chain of two.

    Args:
        key: The signer's private key; None makes one on P-256.
        usage: Extended key usage; None leaves it out, which C2PA does not allow.
        valid: First and last day from today.
        signer: Common name.
    """
    root_key = ec.generate_private_key(ec.SECP256R1())
    key = key or ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Test root", root_key, "Test root", root_key, None, (-60, 60), authority=True)
    leaf = _certificate(signer, key, "Test root", root_key, usage, valid, authority=False)
    plain = serialization.NoEncryption()
    return Chain(
        _pem(leaf) + _pem(root),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        _pem(root),
    )


def _certificate(
    name: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    usage: x509.ObjectIdentifier | None,
    valid: tuple[int, int],
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0] * _DAY)
        .not_valid_after(now + valid[1] * _DAY)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(
            x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test studio"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
