"""A certification authority for tests: roots, what they issue, and what they should never have issued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

BEGINS, ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
_USAGE = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@lru_cache
def rsa_key(name: str) -> RSAPrivateKey:
    """The same key for a name while the tests run; of 1024 bits where the name is `small`."""
    return generate_private_key(65537, 1024 if name == "small" else 2048)


def private_pem(name: str) -> str:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return rsa_key(name).private_bytes(*form).decode()


def public_pem(name: str) -> str:
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return rsa_key(name).public_key().public_bytes(*form).decode()


@dataclass(frozen=True)
class Issued:
    """A certificate and the name of its key."""

    certificate: x509.Certificate
    key: str

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def dn(**parts: str) -> x509.Name:
    """A name from C, O, OU and CN, in this order."""
    order = {
        "C": NameOID.COUNTRY_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(order[part], parts[part]) for part in order if part in parts])


def issue(cn: str, *, key: str, by: Issued | None = None, ca: int | None = None, **changes: Any) -> Issued:
    """A certificate; `ca` is its path length, None for one that signs messages. Without `by` it signs itself.

    Changes: begins_at, ends_at, serial, subject, usage (names of bits, None for no extension), basic (False for
    no extension).
    """
    subject = changes.get("subject") or dn(C="CN", O="Test", OU="Certification Authority", CN=cn)
    bits = ("key_cert_sign", "crl_sign") if ca is not None else ("digital_signature",)
    usage = changes.get("usage", bits)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(rsa_key(key).public_key())
        .serial_number(changes.get("serial") or x509.random_serial_number())
        .not_valid_before(changes.get("begins_at", BEGINS))
        .not_valid_after(changes.get("ends_at", ENDS))
    )
    if changes.get("basic", True):
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca is not None, path_length=ca), critical=True
        )
    if usage is not None:
        flags = {bit: bit in usage for bit in _USAGE}
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    return Issued(builder.sign(rsa_key(by.key if by else key), SHA256()), key)
