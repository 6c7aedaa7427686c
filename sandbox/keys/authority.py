"""The providers' own certification authorities: root, middle, and what they sign."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox.keys.keyfiles import load_private, private_pem, write

DAYS = 365
_ORDER = (
    ("C", NameOID.COUNTRY_NAME),
    ("O", NameOID.ORGANIZATION_NAME),
    ("OU", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("CN", NameOID.COMMON_NAME),
)


def new_key() -> rsa.RSAPrivateKey:
    """RSA with 2048 bits, as all of them demand."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def name(**parts: str) -> x509.Name:
    """A distinguished name from C, O, OU and CN, encoded in this order."""
    return x509.Name([x509.NameAttribute(oid, parts[key]) for key, oid in _ORDER if key in parts])


@dataclass(frozen=True, slots=True)
class Authority:
    """Root and middle certificate; the middle signs for others."""

    root: x509.Certificate
    middle: x509.Certificate
    middle_key: rsa.RSAPrivateKey

    def issue(self, key: rsa.RSAPublicKey, subject: x509.Name) -> x509.Certificate:
        """A certificate for five years from yesterday."""
        return _certificate(key, subject, issuer=self.middle.subject, signer=self.middle_key, ca=None)


def load_or_make(folder: Path, *, owner: str) -> Authority:
    """The authority kept in this folder, made on first use; its names contain `owner`."""
    root, middle, key = folder / "root.crt", folder / "middle.crt", folder / "middle_key.pem"
    if not middle.exists():
        _make(folder, owner=owner)
    return Authority(
        x509.load_pem_x509_certificate(root.read_bytes()),
        x509.load_pem_x509_certificate(middle.read_bytes()),
        load_private(key),
    )


def _make(folder: Path, *, owner: str) -> None:
    root_key, middle_key = new_key(), new_key()
    root_name = name(C="CN", O=owner, OU="Certification Authority", CN=f"{owner} Root CA")
    middle_name = name(C="CN", O=owner, OU="Certification Authority", CN=f"{owner} Class 2 R1")
    root = _certificate(root_key.public_key(), root_name, issuer=root_name, signer=root_key, ca=1)
    middle = _certificate(middle_key.public_key(), middle_name, issuer=root_name, signer=root_key, ca=0)
    # The root's key is not kept: nothing more is signed with it.
    write(folder / "middle_key.pem", private_pem(middle_key))
    write(folder / "root.crt", root.public_bytes(Encoding.PEM), mode=0o644)
    write(folder / "middle.crt", middle.public_bytes(Encoding.PEM), mode=0o644)


def elliptic_root(owner: str) -> x509.Certificate:
    """An elliptic-curve root, like those in Alipay's root file beside the RSA ones."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = name(C="CN", O=owner, OU="Certification Authority", CN=f"{owner} ECC ROOT")
    return _certificate(key.public_key(), own, issuer=own, signer=key, ca=1)


def _certificate(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    subject: x509.Name,
    *,
    issuer: x509.Name,
    signer: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    ca: int | None,
) -> x509.Certificate:
    """`ca` is the path length, None for a certificate that may not issue others."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    usage = {"key_cert_sign": ca is not None, "crl_sign": ca is not None, "digital_signature": ca is None}
    rest = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=5 * DAYS if ca is None else 20 * DAYS))
        .add_extension(x509.BasicConstraints(ca=ca is not None, path_length=ca), critical=True)
        .add_extension(
            x509.KeyUsage(**usage, **dict.fromkeys(rest, False), encipher_only=False, decipher_only=False),
            critical=True,
        )
    )
    return builder.sign(signer, SHA256())
