"""Alipay's certificate mode: three certificates instead of one public key, and the successors that Alipay issues.

Alipay's serial number of a certificate is the MD5 in hex over the issuer's name (`CN=…,OU=…,O=…,C=…`) and the decimal
serial number.
Source: fzlee/alipay DCAliPay, go-pay/gopay alipay/sign.go.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Certificate

from payments.providers.alipay.keys import public_key
from payments.providers.certificates import (
    TrustedKey,
    UntrustedCertificate,
    common_name,
    may_sign_certificates,
    read_certificates,
    rsa_key,
    verify_chain,
)
from payments.providers.types import AccountKeys

CERTIFICATE_KEYS = ("alipay_cert", "alipay_root_cert", "app_cert")
# The object identifiers of pkcs-1 signatures: Alipay's root file also holds SM2 roots, which are not used here.
_RSA_SIGNATURES = "1.2.840.113549.1.1."
# Alipay issues a new certificate once in years; the bound protects the memory of the process.
_KEPT = 64


def is_certificate_mode(keys: AccountKeys) -> bool:
    """Whether the account has any of the certificates."""
    return any(keys.secret(name) for name in CERTIFICATE_KEYS)


def serial(certificate: Certificate) -> str:
    """The serial number of a certificate in requests (app_cert_sn) and responses (alipay_cert_sn)."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=256)
def root_serial(text: str) -> str:
    """The alipay_root_cert_sn of a root file. Raises ValueError when it holds no RSA root."""
    found = [serial(root) for root in rsa_roots(text)]
    if not found:
        raise ValueError("no RSA root certificate")
    return "_".join(found)


def rsa_roots(text: str) -> tuple[Certificate, ...]:
    """The RSA roots of a root file, in its order. Raises ValueError when it holds no certificate."""
    return tuple(
        one
        for one in read_certificates(text)
        if one.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)
        and may_sign_certificates(one)
    )


def request_serials(keys: AccountKeys) -> dict[str, str]:
    """The parameters that certificate mode adds to a request; none in key mode.

    Raises ValueError when a certificate is unusable.
    """
    if not is_certificate_mode(keys):
        return {}
    return {
        "app_cert_sn": serial(read_certificates(keys.secret("app_cert"))[0]),
        "alipay_root_cert_sn": root_serial(keys.secret("alipay_root_cert")),
    }


@lru_cache(maxsize=256)
def _certified_key(text: str) -> RSAPublicKey:
    return rsa_key(read_certificates(text)[0])


def configured_key(keys: AccountKeys) -> RSAPublicKey:
    """Alipay's public key from the account, in either mode. Raises ValueError when it is unusable."""
    if is_certificate_mode(keys):
        return _certified_key(keys.secret("alipay_cert"))
    return public_key(keys.secret("alipay_public_key"))


def verify_to_root(chain: Sequence[Certificate], keys: AccountKeys) -> TrustedKey:
    """Verify a chain up to the account's root, by the intermediates in alipay_cert. Raises `UntrustedCertificate`."""
    try:
        roots = rsa_roots(keys.secret("alipay_root_cert"))
        middle = read_certificates(keys.secret("alipay_cert"))[1:]
    except ValueError as error:
        raise UntrustedCertificate("unreadable") from error
    return verify_chain(chain, roots=roots, middle=middle)


class DownloadedCertificates:
    """The successors of an account's alipay_cert that this process has downloaded, by account and serial number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], TrustedKey] = OrderedDict()

    def get(self, keys: AccountKeys, number: str, *, at: datetime) -> RSAPublicKey | None:
        """The key of that serial number; None when it is unknown or not valid at `at` (UTC)."""
        with self._lock:
            trusted = self._kept.get((*_account(keys), number))
        return trusted.key if trusted and trusted.begins_at <= at <= trusted.ends_at else None

    def all(self, keys: AccountKeys, *, at: datetime) -> list[RSAPublicKey]:
        with self._lock:
            kept = [trusted for name, trusted in self._kept.items() if name[:-1] == _account(keys)]
        return [trusted.key for trusted in kept if trusted.begins_at <= at <= trusted.ends_at]

    def accept(self, keys: AccountKeys, number: str, text: str, *, at: datetime) -> RSAPublicKey:
        """Keep a certificate downloaded under this serial number, if it is trusted. Raises `UntrustedCertificate`.

        Every merchant has a certificate under the same root, so only one that is issued to the same name as the
        account's alipay_cert is accepted as Alipay's. `at` (UTC): when it must be valid.
        """
        try:
            chain = read_certificates(text)
            name = common_name(read_certificates(keys.secret("alipay_cert"))[0])
        except ValueError as error:
            raise UntrustedCertificate("unreadable") from error
        if not name or common_name(chain[0]) != name or serial(chain[0]) != number:
            raise UntrustedCertificate("wrong_name")
        trusted = verify_to_root(chain, keys)
        key = trusted.at(at)
        with self._lock:
            self._kept[(*_account(keys), number)] = trusted
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return key

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


def _account(keys: AccountKeys) -> tuple[str, str]:
    # Identified by its certificates, not by its name: a changed account starts with an empty cache.
    return keys.secret("alipay_root_cert"), keys.secret("alipay_cert")


downloaded_certificates = DownloadedCertificates()
