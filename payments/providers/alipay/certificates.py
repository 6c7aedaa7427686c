"""Alipay's certificate mode: three certificates in place of one public key, and new ones that Alipay hands out.

Serial numbers as Alipay counts them: MD5 in hex over the issuer's name (`CN=…,OU=…,O=…,C=…`) and the decimal serial.
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
    Trusted,
    Untrusted,
    common_name,
    follow_chain,
    may_sign_certificates,
    read_certificates,
    rsa_key,
)
from payments.providers.types import AccountKeys

CERTIFICATE_KEYS = ("alipay_cert", "alipay_root_cert", "app_cert")
# pkcs-1: the roots of the SM2 family in Alipay's root file do not count.
_RSA_SIGNATURES = "1.2.840.113549.1.1."
# A new certificate comes once in years; the bound is for whoever makes us ask for invented ones.
_KEPT = 64


def is_certificate_mode(keys: AccountKeys) -> bool:
    return any(keys.secret(name) for name in CERTIFICATE_KEYS)


def serial(certificate: Certificate) -> str:
    """A certificate's number in requests and answers: app_cert_sn, alipay_cert_sn."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=256)
def root_serial(text: str) -> str:
    """alipay_root_cert_sn of a root file; ValueError when there is no RSA root in it."""
    found = [serial(root) for root in rsa_roots(text)]
    if not found:
        raise ValueError("no RSA root certificate")
    return "_".join(found)


def rsa_roots(text: str) -> tuple[Certificate, ...]:
    """The RSA roots of a root file, in its order; ValueError when it holds no certificate."""
    return tuple(
        one
        for one in read_certificates(text)
        if one.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)
        and may_sign_certificates(one)
    )


def request_serials(keys: AccountKeys) -> dict[str, str]:
    """The two parameters of a request in certificate mode, none in key mode. ValueError when one is unusable."""
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
    """Alipay's key as the account has it, in either mode; ValueError when it is unusable."""
    if is_certificate_mode(keys):
        return _certified_key(keys.secret("alipay_cert"))
    return public_key(keys.secret("alipay_public_key"))


def trust(chain: Sequence[Certificate], keys: AccountKeys) -> Trusted:
    """Follow a chain to the account's root, by way of what stands in alipay_cert; raises `Untrusted`."""
    try:
        roots = rsa_roots(keys.secret("alipay_root_cert"))
        middle = read_certificates(keys.secret("alipay_cert"))[1:]
    except ValueError as error:
        raise Untrusted("unreadable") from error
    return follow_chain(chain, roots=roots, middle=middle)


class NewCertificates:
    """Alipay's certificates that this process was handed after the account was made, by account and serial number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Trusted] = OrderedDict()

    def get(self, keys: AccountKeys, number: str, *, at: datetime) -> RSAPublicKey | None:
        """The key, while its certificates are in their time."""
        with self._lock:
            trusted = self._kept.get((*_account(keys), number))
        return trusted.key if trusted and trusted.begins_at <= at <= trusted.ends_at else None

    def all(self, keys: AccountKeys, *, at: datetime) -> list[RSAPublicKey]:
        with self._lock:
            kept = [trusted for name, trusted in self._kept.items() if name[:-1] == _account(keys)]
        return [trusted.key for trusted in kept if trusted.begins_at <= at <= trusted.ends_at]

    def accept(self, keys: AccountKeys, number: str, text: str, *, at: datetime) -> RSAPublicKey:
        """Keep a certificate that was handed out under this number, if it can be believed; raises `Untrusted`.

        Every merchant has a certificate under the same root: only one issued to the same name as the account's own
        alipay_cert is Alipay's.
        """
        try:
            chain = read_certificates(text)
            name = common_name(read_certificates(keys.secret("alipay_cert"))[0])
        except ValueError as error:
            raise Untrusted("unreadable") from error
        if not name or common_name(chain[0]) != name or serial(chain[0]) != number:
            raise Untrusted("wrong_name")
        trusted = trust(chain, keys)
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
    # By the certificates, not by the name: an account that is changed begins anew.
    return keys.secret("alipay_root_cert"), keys.secret("alipay_cert")


new_certificates = NewCertificates()
