"""Finds the problems of an Alipay account without calling Alipay."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.x509 import Certificate
from django.utils.translation import gettext as _

from ordersite.lib.outgoing.addresses import address_problems
from payments.providers.alipay.certificates import (
    CERTIFICATE_KEYS,
    is_certificate_mode,
    root_serial,
    verify_to_root,
)
from payments.providers.alipay.keys import private_key, public_key
from payments.providers.certificates import (
    UntrustedCertificate,
    is_certificate,
    kind_problems,
    read_certificates,
    rsa_key,
    rsa_key_of,
)
from payments.providers.types import AccountKeys

_READERS: Mapping[str, Callable[[str], object]] = {"alipay_root_cert": root_serial}


def check_account(keys: AccountKeys) -> list[str]:
    """The account's problems in the reader's language, none when it is consistent. All required keys are present."""
    return _check_config(keys) + (_check_mode(keys) or _check_keys(keys))


def _check_config(keys: AccountKeys) -> list[str]:
    problems = []
    if not re.fullmatch(r"[0-9]{16,32}", keys.config["app_id"], re.ASCII):
        problems.append(_("app_id must be 16 to 32 digits."))
    if not re.fullmatch(r"2088[0-9]{12}", keys.config["seller_id"], re.ASCII):
        problems.append(_("seller_id must be 16 digits and begin with 2088."))
    return [*problems, *address_problems("gateway_url", keys.config["gateway_url"])]


def _check_mode(keys: AccountKeys) -> list[str]:
    """Problems unless the account has either Alipay's public key or all three certificates."""
    if is_certificate_mode(keys) and keys.secret("alipay_public_key"):
        return [
            _(
                "The account has alipay_public_key and certificates: give one or the other. "
                "Removed is what is given as empty."
            )
        ]
    if is_certificate_mode(keys):
        missing = [name for name in CERTIFICATE_KEYS if not keys.secret(name)]
        return [_("%(key)s is missing.") % {"key": name} for name in missing]
    if not keys.secret("alipay_public_key"):
        return [
            _(
                "alipay_public_key is missing, or in certificate mode alipay_cert, alipay_root_cert and app_cert."
            )
        ]
    return []


def _check_keys(keys: AccountKeys) -> list[str]:
    try:
        own = private_key(keys.secret("app_private_key")).public_key().public_numbers()
    except ValueError:
        return [_("app_private_key is not an RSA private key of 2048 bits or more.")]
    return _check_certificates(keys, own) if is_certificate_mode(keys) else _check_public_key(keys, own)


def _check_public_key(keys: AccountKeys, own: RSAPublicNumbers) -> list[str]:
    """Problems of alipay_public_key. The most common mistake: the application's own public key instead of Alipay's."""
    provider_key = keys.secret("alipay_public_key")
    if is_certificate(provider_key):
        return [_("alipay_public_key is a certificate: in certificate mode it is called alipay_cert.")]
    if "PRIVATE KEY" in provider_key:
        return [_("%(key)s holds a private key.") % {"key": "alipay_public_key"}]
    try:
        numbers = public_key(provider_key).public_numbers()
    except ValueError:
        return [_("alipay_public_key is not an RSA public key of 2048 bits or more.")]
    if own == numbers:
        return [_("alipay_public_key belongs to app_private_key: it must be the key that Alipay shows.")]
    return []


def _check_certificates(keys: AccountKeys, own: RSAPublicNumbers) -> list[str]:
    kinds = [
        problem
        for name in CERTIFICATE_KEYS
        for problem in kind_problems(name, keys.secret(name), _READERS.get(name, rsa_key_of))
    ]
    if kinds:
        return kinds
    alipays, ours = (read_certificates(keys.secret(name)) for name in ("alipay_cert", "app_cert"))
    problems = []
    if rsa_key(alipays[0]).public_numbers() == own:
        problems.append(_("alipay_cert belongs to app_private_key: it must be the certificate of Alipay."))
    if rsa_key(ours[0]).public_numbers() != own:
        problems.append(_("app_private_key does not belong to app_cert."))
    return problems or [
        *_check_chain("alipay_cert", alipays, keys),
        *_check_chain("app_cert", ours, keys),
    ]


def _check_chain(name: str, chain: tuple[Certificate, ...], keys: AccountKeys) -> list[str]:
    try:
        verify_to_root(chain, keys).at(datetime.now(UTC))
    except UntrustedCertificate as error:
        return [_("%(key)s: %(reason)s") % {"key": name, "reason": error.message}]
    return []
