"""Finds the problems of a UnionPay account without calling UnionPay."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from ordersite.lib.outgoing.addresses import address_problems
from payments.providers.certificates import (
    REASONS,
    is_certificate,
    kind_problems,
    may_sign_certificates,
    read_certificate,
    read_certificates,
    rsa_key,
    rsa_key_of,
)
from payments.providers.rsa_keys import private_key
from payments.providers.types import AccountKeys

_CERTIFICATES = ("sign_cert", "root_cert", "middle_cert")


def check_account(keys: AccountKeys) -> list[str]:
    """The account's problems in the reader's language, none when it is consistent. All required keys are present."""
    kinds = [
        problem for name in _CERTIFICATES for problem in kind_problems(name, keys.secret(name), rsa_key_of)
    ]
    return _check_config(keys) + (kinds or [*_check_pair(keys), *_check_times(keys), *_check_roots(keys)])


def _check_config(keys: AccountKeys) -> list[str]:
    problems = []
    if not re.fullmatch(r"[0-9A-Za-z]{15}", keys.config["mer_id"], re.ASCII):
        problems.append(_("mer_id must be 15 letters and digits."))
    for name in ("gateway_url", "file_url"):
        problems += address_problems(name, keys.config[name]) if keys.config.get(name) else []
    return problems


def _check_pair(keys: AccountKeys) -> list[str]:
    if is_certificate(keys.secret("sign_key")):
        return [_("sign_key is a certificate: it must be the private key that belongs to sign_cert.")]
    try:
        own = private_key(keys.secret("sign_key")).public_key().public_numbers()
    except ValueError:
        return [_("sign_key is not an RSA private key of 2048 bits or more.")]
    if own != rsa_key(read_certificate(keys.secret("sign_cert"))).public_numbers():
        return [_("sign_key does not belong to sign_cert.")]
    return []


def _check_times(keys: AccountKeys) -> list[str]:
    now, problems = datetime.now(UTC), []
    for name in _CERTIFICATES:
        one = read_certificate(keys.secret(name))
        reason = "not_yet_valid" if one.not_valid_before_utc > now else ""
        reason = "expired" if one.not_valid_after_utc < now else reason
        if reason:
            problems.append(_("%(key)s: %(reason)s") % {"key": name, "reason": REASONS[reason]})
    return problems


def _check_roots(keys: AccountKeys) -> list[str]:
    """Problems of the roots. The most common mistake: root and intermediate swapped, or of another environment."""
    roots = read_certificates(keys.secret("root_cert"))
    problems = []
    if not all(one.subject == one.issuer and may_sign_certificates(one) for one in roots):
        problems.append(_("root_cert is not a root certificate."))
    for middle in read_certificates(keys.secret("middle_cert")):
        if not any(root.subject == middle.issuer for root in roots):
            problems.append(_("middle_cert was not issued by root_cert."))
    return problems
