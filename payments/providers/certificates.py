"""X.509 for adapters: parse once, follow a chain to a root of the account's own, look at the clock each time.

`cryptography.x509.verification` is made for web servers and refuses these chains: subjects have no alternative name,
and the intermediate certificate of Alipay's sandbox says nowhere that it may sign certificates. So an intermediate
that stands in the account is believed as it is; one that arrives with a message must carry the flags, or every
merchant's certificate of the same authority could sign for the provider.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    DuplicateExtension,
    ExtensionNotFound,
    ExtensionType,
    InvalidVersion,
    KeyUsage,
    UnsupportedGeneralNameType,
    load_pem_x509_certificate,
)
from cryptography.x509.oid import NameOID
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.providers.rsa_keys import MIN_BITS

# Longest path from a signing certificate to its root: providers have one intermediate, at most two.
MAX_PATH = 4
# A certificate is about 2 kB; whatever is longer is no certificate but work for us.
MAX_TEXT = 32 * 1024
REASONS: Mapping[str, Promise] = {
    "unreadable": _("It is not a certificate in PEM form with an RSA key of 2048 bits or more."),
    "not_yet_valid": _("A certificate of its chain is not valid yet."),
    "expired": _("A certificate of its chain has expired."),
    "wrong_use": _("It is a certificate for issuing certificates, not for signing messages."),
    "weak_hash": _("It is signed with MD5 or SHA-1, which can be forged."),
    "no_path": _("It was not issued under the root certificate of this account."),
    "wrong_name": _("It is issued to somebody else."),
}
_Kind = TypeVar("_Kind", bound=ExtensionType)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Untrusted(ValueError):
    """A certificate that must not be believed. `code` is a key of `REASONS`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"certificate {code}")
        self.code = code

    @property
    def message(self) -> str:
        return str(REASONS[self.code])


@dataclass(frozen=True, slots=True)
class Trusted:
    """A key whose chain was followed to its root. It holds from `begins_at` to `ends_at` (UTC): the whole chain's time."""

    key: RSAPublicKey
    begins_at: datetime
    ends_at: datetime

    def at(self, moment: datetime) -> RSAPublicKey:
        """The key, if every certificate of the chain is in its time; raises `Untrusted`."""
        if moment < self.begins_at:
            raise Untrusted("not_yet_valid")
        if moment > self.ends_at:
            raise Untrusted("expired")
        return self.key


def is_certificate(text: str) -> bool:
    """Whether the text claims to be one; says nothing about what is inside."""
    return "-----BEGIN CERTIFICATE-----" in text


# Keyed by the text itself: a changed certificate can never be answered with the old object.
@lru_cache(maxsize=512)
def read_certificates(text: str) -> tuple[Certificate, ...]:
    """All certificates of a PEM text that can be read, in its order; ValueError when there is none.

    Unreadable ones are left out: Alipay's root file also holds roots of the Chinese SM2 family.
    """
    if len(text) > MAX_TEXT:
        raise ValueError("longer than any certificate")
    found = [certificate for pem in _PEM.findall(text) for certificate in _readable(pem)]
    if not found:
        raise ValueError("not a certificate in PEM form")
    return tuple(found)


def read_certificate(text: str) -> Certificate:
    """The first certificate of a PEM text; ValueError when there is none."""
    return read_certificates(text)[0]


# What parsing raises for a certificate in which a byte or two are not what they should be.
_UNREADABLE = (
    ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InvalidVersion, DuplicateExtension,
    UnsupportedGeneralNameType,
)  # fmt: skip


def _readable(pem: str) -> list[Certificate]:
    try:
        certificate = load_pem_x509_certificate(pem.encode("ascii"))
        # All are parsed late, and each may fail on its own.
        _parts = certificate.subject, certificate.issuer, certificate.extensions
        _times = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _UNREADABLE:
        return []
    return [certificate]


def rsa_key(certificate: Certificate) -> RSAPublicKey:
    """The certificate's key; ValueError unless it is RSA of MIN_BITS or more."""
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the certificate's key cannot be read") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_BITS:
        raise ValueError(f"the certificate's key is not RSA of {MIN_BITS} bits or more")
    return key


def rsa_key_of(text: str) -> RSAPublicKey:
    """The key of the first certificate. Raises ValueError, as the functions do that it is made of."""
    return rsa_key(read_certificate(text))


def kind_problems(name: str, text: str, read: Callable[[str], object]) -> list[str]:
    """What is wrong with an account's text that should be a certificate which `read` takes, for people."""
    if "PRIVATE KEY" in text:
        return [gettext("%(key)s holds a private key.") % {"key": name}]
    if not is_certificate(text):
        return [gettext("%(key)s is not a certificate in PEM form.") % {"key": name}]
    try:
        read(text)
    except ValueError:
        return [gettext("%(key)s holds no certificate that can be used here.") % {"key": name}]
    return []


def common_name(certificate: Certificate) -> str:
    """The subject's CN, empty when it has none or several."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _extension(certificate: Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except ExtensionNotFound:
        return None


def may_sign_certificates(certificate: Certificate) -> bool:
    """basicConstraints decides; where there are none, keyUsage must say keyCertSign in so many words."""
    constraints, usage = _extension(certificate, BasicConstraints), _extension(certificate, KeyUsage)
    if constraints is None:
        return usage is not None and usage.key_cert_sign
    return constraints.ca and (usage is None or usage.key_cert_sign)


def may_sign_messages(certificate: Certificate) -> bool:
    usage = _extension(certificate, KeyUsage)
    return usage is None or usage.digital_signature or usage.content_commitment


def _allows_below(issuer: Certificate, below: int) -> bool:
    """`below`: how many intermediate certificates stand between this one and the signing one."""
    constraints = _extension(issuer, BasicConstraints)
    return constraints is None or constraints.path_length is None or below <= constraints.path_length


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _has_weak_hash(certificate: Certificate) -> bool:
    """Collisions of MD5 and SHA-1 are for sale: what arrives from outside must not rest on them."""
    try:
        return certificate.signature_hash_algorithm is None or isinstance(
            certificate.signature_hash_algorithm, (MD5, SHA1)
        )
    except UnsupportedAlgorithm:
        return True


def _fits(issuer: Certificate, path: Sequence[Certificate]) -> bool:
    return may_sign_certificates(issuer) and _allows_below(issuer, len(path) - 1)


def follow_chain(
    chain: Sequence[Certificate], *, roots: Sequence[Certificate], middle: Sequence[Certificate] = ()
) -> Trusted:
    """The key of `chain[0]`, if a path leads from it to one of `roots`; raises `Untrusted`.

    `chain[1:]` came with it, `middle` stands in the account. What the clock says is left to `Trusted.at`.
    """
    if not may_sign_messages(chain[0]):
        raise Untrusted("wrong_use")
    path = [chain[0]]
    while path[-1] not in roots:
        if path[-1] not in middle and _has_weak_hash(path[-1]):
            raise Untrusted("weak_hash")
        # Roots first, so that a path ends as early as it can.
        pool = [one for one in (*roots, *chain[1:]) if _fits(one, path)] + list(middle)
        issuers = [one for one in pool if one not in path and _issued(one, path[-1])]
        if not issuers or len(path) == MAX_PATH:
            raise Untrusted("no_path")
        path.append(issuers[0])
    if len(path) == 1:
        raise Untrusted("wrong_use")
    begins_at = max(one.not_valid_before_utc for one in path)
    ends_at = min(one.not_valid_after_utc for one in path)
    return Trusted(_key(path[0]), begins_at, ends_at)


def _key(certificate: Certificate) -> RSAPublicKey:
    try:
        return rsa_key(certificate)
    except ValueError as error:
        raise Untrusted("unreadable") from error
