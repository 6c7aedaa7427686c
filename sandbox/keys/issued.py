"""Key sets of the providers that hand out certificates: their own keys, and what they issued to the merchant.

Each set lives in a folder of its own and is made when it is first loaded. The merchant's private key stands
there too: `sandbox.accounts` writes it into the payment account file.
"""

import fcntl
import hashlib
import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.keys import authority
from sandbox.keys.authority import Authority, name, new_key
from sandbox.keys.keyfiles import load_private, private_pem, write


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder: `python -m sandbox keys` and the server may both want to make its keys."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept_key(path: Path) -> rsa.RSAPrivateKey:
    """The key of this file, made when there is none."""
    if not path.exists():
        write(path, private_pem(new_key()))
    return load_private(path)


def kept_certificate(path: Path, make: Callable[[], x509.Certificate]) -> x509.Certificate:
    """The certificate of this file, issued when there is none."""
    if not path.exists():
        write(path, make().public_bytes(Encoding.PEM), mode=0o644)
    return x509.load_pem_x509_certificate(path.read_bytes())


def kept_text(path: Path, make: Callable[[], str]) -> str:
    """The text of this file, made when there is none."""
    if not path.exists():
        write(path, make().encode())
    return path.read_text().strip()


def hex_serial(certificate: x509.Certificate) -> str:
    """As WeChat Pay writes it: 40 upper-case hex digits."""
    return f"{certificate.serial_number:040X}"


@dataclass(frozen=True, slots=True)
class WechatKeys:
    """Platform certificate and platform public key (two different pairs), and the merchant's own."""

    platform_key: rsa.RSAPrivateKey
    platform: x509.Certificate
    public_key: rsa.RSAPrivateKey
    public_key_id: str
    api_v3_key: bytes
    merchant_key: rsa.RSAPrivateKey
    merchant: x509.Certificate

    def platform_pem(self) -> bytes:
        """The platform certificate as the merchant reads it."""
        return self.platform.public_bytes(Encoding.PEM)

    @classmethod
    def load(cls, folder: Path) -> "WechatKeys":
        with locked(folder):
            ca = authority.load_or_make(folder / "ca", owner="Tenpay.com Sandbox")
            platform, merchant = (
                kept_key(folder / "platform_key.pem"),
                kept_key(folder / "merchant_key.pem"),
            )
            issued = ca.issue
            alphabet = string.ascii_letters + string.digits
            return cls(
                platform,
                kept_certificate(
                    folder / "platform.crt",
                    lambda: issued(platform.public_key(), name(C="CN", O="Tenpay.com", CN="Tenpay.com sign")),
                ),
                kept_key(folder / "public_key_private.pem"),
                kept_text(folder / "public_key_id", lambda: f"PUB_KEY_ID_{secrets.randbelow(10**32):032d}"),
                kept_text(
                    folder / "api_v3_key", lambda: "".join(secrets.choice(alphabet) for _ in range(32))
                ).encode(),
                merchant,
                kept_certificate(
                    folder / "merchant.crt",
                    lambda: issued(merchant.public_key(), name(C="CN", O="沙箱商户", CN="1900000001")),
                ),
            )


@dataclass(frozen=True, slots=True)
class UnionpayKeys:
    """UnionPay's signing certificate under its authority, and the merchant's."""

    ca: Authority
    sign_key: rsa.RSAPrivateKey
    sign: x509.Certificate
    merchant_key: rsa.RSAPrivateKey
    merchant: x509.Certificate

    @classmethod
    def load(cls, folder: Path) -> "UnionpayKeys":
        with locked(folder):
            ca = authority.load_or_make(folder / "ca", owner="CFCA Sandbox")
            sign, merchant = kept_key(folder / "sign_key.pem"), kept_key(folder / "merchant_key.pem")
            # The third part between the @ names the signer; UnionPay's own SDK checks it.
            signer = name(C="CN", O="CFCA Sandbox", CN="041@Z2011@中国银联股份有限公司@00000001")
            shop = name(C="CN", O="CFCA Sandbox", CN="041@Z2011@777290058110048@00000002")
            return cls(
                ca,
                sign,
                kept_certificate(folder / "sign.crt", lambda: ca.issue(sign.public_key(), signer)),
                merchant,
                kept_certificate(folder / "merchant.crt", lambda: ca.issue(merchant.public_key(), shop)),
            )


@dataclass(frozen=True, slots=True)
class AlipayCertificates:
    """Alipay's certificate mode. `signing` are Alipay's pairs by serial, the youngest last."""

    folder: Path
    ca: Authority
    roots: bytes
    app_key: rsa.RSAPrivateKey
    app: x509.Certificate
    signing: dict[str, tuple[rsa.RSAPrivateKey, x509.Certificate]]

    @classmethod
    def load(cls, folder: Path) -> "AlipayCertificates":
        with locked(folder):
            ca = authority.load_or_make(folder / "ca", owner="Ant Financial Sandbox")
            roots = folder / "alipay_root.crt"
            if not roots.exists():
                other = authority.elliptic_root("Ant Financial Sandbox").public_bytes(Encoding.PEM)
                # A blank line in between, as in Alipay's own file: some programs cut it there.
                write(roots, other + b"\n" + ca.root.public_bytes(Encoding.PEM), mode=0o644)
            app = kept_key(folder / "app_key.pem")
            shop = name(C="CN", O="沙箱商户", OU="Alipay", CN="2088000000000002-2021000000000002")
            made = cls(
                folder, ca, roots.read_bytes(), app,
                kept_certificate(folder / "app.crt", lambda: ca.issue(app.public_key(), shop)), {},
            )  # fmt: skip
            numbers = [int(path.stem.removeprefix("alipay_")) for path in folder.glob("alipay_[0-9]*.crt")]
            for number in sorted(numbers) or [1]:
                made._take(number)
            return made

    def _take(self, number: int) -> None:
        key = kept_key(self.folder / f"alipay_{number}_key.pem")
        own = name(
            C="CN",
            O="支付宝(中国)网络技术有限公司",
            OU="Alipay",
            CN="支付宝(中国)网络技术有限公司-2088000000000002",
        )
        path = self.folder / f"alipay_{number}.crt"
        certificate = kept_certificate(path, lambda: self.ca.issue(key.public_key(), own))
        self.signing[alipay_sn(certificate)] = (key, certificate)

    def rotate(self) -> str:
        """Sign with a new key from now on; returns the serial number of its certificate, which is published nowhere."""
        with locked(self.folder):
            self._take(len(self.signing) + 1)
        return self.serial

    @property
    def serial(self) -> str:
        return next(reversed(self.signing))

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return self.signing[self.serial][0]

    def file_of(self, serial: str) -> bytes:
        """The file that Alipay delivers: the certificate and the intermediate that issued it."""
        certificate = self.signing[serial][1]
        return certificate.public_bytes(Encoding.PEM) + self.ca.middle.public_bytes(Encoding.PEM)

    @property
    def root_serial(self) -> str:
        """Of the RSA roots, joined by an underscore."""
        roots = x509.load_pem_x509_certificates(self.roots)
        return "_".join(
            alipay_sn(one)
            for one in roots
            if one.signature_algorithm_oid.dotted_string.startswith("1.2.840.113549.1.1")
        )


def alipay_sn(certificate: x509.Certificate) -> str:
    """md5 of the issuer's name (CN first) and the decimal serial number."""
    text = certificate.issuer.rfc4514_string() + str(certificate.serial_number)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
