"""Verifies X.509 chains for adapters, up to a root certificate of the account.

Certificates and chains are verified once and cached; validity periods are compared with the clock at each use.

`cryptography.x509.verification` is made for web servers and refuses these chains: subjects have no alternative name,
and the intermediate certificate of Alipay's sandbox lacks the flag that it may sign certificates. So an intermediate
that is configured in the account is trusted as it is; one that arrives with a message must carry the flag, or every
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

# The longest path from a signing certificate to its root: providers have one intermediate, at most two.
MAX_PATH = 4
# A certificate is about 2 kB; the bound limits the work that a stranger can cause.
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


class UntrustedCertificate(ValueError):
    """A certificate must not be trusted. `code` is a key of `REASONS`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"certificate {code}")
        self.code = code

    @property
    def message(self) -> str:
        return str(REASONS[self.code])


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key whose certificate chain was verified up to a root.

    `begins_at` and `ends_at` (UTC) bound the period in which every certificate of the chain is valid.
    """

    key: RSAPublicKey
    begins_at: datetime
    ends_at: datetime

    def at(self, moment: datetime) -> RSAPublicKey:
        """The key, if every certificate of the chain is valid at that moment. Raises `UntrustedCertificate`."""
        if moment < self.begins_at:
            raise UntrustedCertificate("not_yet_valid")
        if moment > self.ends_at:
            raise UntrustedCertificate("expired")
        return self.key


def is_certificate(text: str) -> bool:
    """Whether the text has the header of a PEM certificate; the content is not checked."""
    return "-----BEGIN CERTIFICATE-----" in text


# The cache key is the text itself: a changed certificate can never yield the old object.
@lru_cache(maxsize=512)
def read_certificates(text: str) -> tuple[Certificate, ...]:
    """All readable certificates of a PEM text, in its order. Raises ValueError when there is none.

    Unreadable ones are left out: Alipay's root file also holds roots of the Chinese SM2 family.
    """
    if len(text) > MAX_TEXT:
        raise ValueError("longer than any certificate")
    found = [certificate for pem in _PEM.findall(text) for certificate in _readable(pem)]
    if not found:
        raise ValueError("not a certificate in PEM form")
    return tuple(found)


def read_certificate(text: str) -> Certificate:
    """The first certificate of a PEM text. Raises ValueError when there is none."""
    return read_certificates(text)[0]


# The exceptions of parsing a damaged certificate.
_UNREADABLE = (
    ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InvalidVersion, DuplicateExtension,
    UnsupportedGeneralNameType,
)  # fmt: skip


def _readable(pem: str) -> list[Certificate]:
    try:
        certificate = load_pem_x509_certificate(pem.encode("ascii"))
        # The library parses each of these on first access, and each may fail on its own.
        _parts = certificate.subject, certificate.issuer, certificate.extensions
        _times = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _UNREADABLE:
        return []
    return [certificate]


def rsa_key(certificate: Certificate) -> RSAPublicKey:
    """The certificate's key. Raises ValueError unless it is RSA of MIN_BITS or more."""
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the certificate's key cannot be read") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_BITS:
        raise ValueError(f"the certificate's key is not RSA of {MIN_BITS} bits or more")
    return key


def rsa_key_of(text: str) -> RSAPublicKey:
    """The key of the first certificate of a PEM text. Raises ValueError."""
    return rsa_key(read_certificate(text))


def kind_problems(name: str, text: str, read: Callable[[str], object]) -> list[str]:
    """The problems, for staff, of the account key `name`, whose text should be a certificate that `read` accepts."""
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
    """The subject's common name; empty when it has none or several."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _extension(certificate: Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except ExtensionNotFound:
        return None


def may_sign_certificates(certificate: Certificate) -> bool:
    """Whether the certificate may issue others: by basicConstraints, or without them by keyUsage keyCertSign."""
    constraints, usage = _extension(certificate, BasicConstraints), _extension(certificate, KeyUsage)
    if constraints is None:
        return usage is not None and usage.key_cert_sign
    return constraints.ca and (usage is None or usage.key_cert_sign)


def may_sign_messages(certificate: Certificate) -> bool:
    """Whether keyUsage allows signing messages; a certificate without keyUsage may."""
    usage = _extension(certificate, KeyUsage)
    return usage is None or usage.digital_signature or usage.content_commitment


def _allows_below(issuer: Certificate, below: int) -> bool:
    """Whether the issuer's path length allows `below` intermediate certificates between it and the signing one."""
    constraints = _extension(issuer, BasicConstraints)
    return constraints is None or constraints.path_length is None or below <= constraints.path_length


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _has_weak_hash(certificate: Certificate) -> bool:
    """Whether the certificate is signed with MD5 or SHA-1, whose collisions an attacker can buy."""
    try:
        return certificate.signature_hash_algorithm is None or isinstance(
            certificate.signature_hash_algorithm, (MD5, SHA1)
        )
    except UnsupportedAlgorithm:
        return True


def _may_issue(issuer: Certificate, path: Sequence[Certificate]) -> bool:
    return may_sign_certificates(issuer) and _allows_below(issuer, len(path) - 1)


def verify_chain(
    chain: Sequence[Certificate], *, roots: Sequence[Certificate], middle: Sequence[Certificate] = ()
) -> TrustedKey:
    """The key of `chain[0]`, if a path leads from it to one of `roots`. Raises `UntrustedCertificate`.

    `chain[1:]` arrived with it, `middle` is configured in the account. The clock is compared in `TrustedKey.at`.
    """
    if not may_sign_messages(chain[0]):
        raise UntrustedCertificate("wrong_use")
    path = [chain[0]]
    while path[-1] not in roots:
        if path[-1] not in middle and _has_weak_hash(path[-1]):
            raise UntrustedCertificate("weak_hash")
        # Roots come first, so that the path is as short as possible.
        pool = [one for one in (*roots, *chain[1:]) if _may_issue(one, path)] + list(middle)
        issuers = [one for one in pool if one not in path and _issued(one, path[-1])]
        if not issuers or len(path) == MAX_PATH:
            raise UntrustedCertificate("no_path")
        path.append(issuers[0])
    if len(path) == 1:
        raise UntrustedCertificate("wrong_use")
    begins_at = max(one.not_valid_before_utc for one in path)
    ends_at = min(one.not_valid_after_utc for one in path)
    return TrustedKey(_key(path[0]), begins_at, ends_at)


def _key(certificate: Certificate) -> RSAPublicKey:
    try:
        return rsa_key(certificate)
    except ValueError as error:
        raise UntrustedCertificate("unreadable") from error
