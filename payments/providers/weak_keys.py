"""Names RSA keys that anybody could break or that cost too much time, when an account is saved.

Parsing a key proves its form only: a modulus with a small factor, an exponent of 3 or 16,384 bits are taken by the
library. A key made by a provider's tool is none of these; one pasted by somebody who wants to sign for it may be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.providers.certificates import is_certificate, read_certificates
from payments.providers.rsa_keys import MIN_BITS, private_key, public_key
from payments.providers.types import AccountKeys

# Verifying a signature of 16,384 bits takes as long as sixteen of 4,096.
MAX_BITS = 8192
_MIN_EXPONENT = 65537
_SMALL_FACTORS = math.prod(n for n in range(2, 2000) if all(n % d for d in range(2, math.isqrt(n) + 1)))
# Fermat's method finds primes that lie close together within a few steps.
_FERMAT_STEPS = 100


def weaknesses(keys: AccountKeys) -> list[str]:
    """The weak RSA keys among an account's secrets, for staff; texts that are no RSA keys are passed over."""
    found = []
    for name, value in keys.secrets.items():
        for label, text in _texts(name, value):
            reasons = dict.fromkeys(
                reason for numbers in _numbers(text) if (reason := weakness(numbers)) is not None
            )
            found += [
                gettext("%(key)s is a weak RSA key: %(reason)s") % {"key": label, "reason": reason}
                for reason in reasons
            ]
    return found


def weakness(numbers: RSAPublicNumbers) -> Promise | None:
    """Why a key is weak; None for a good one."""
    modulus, bits = numbers.n, numbers.n.bit_length()
    if bits < MIN_BITS:
        return _("it has fewer than 2048 bits.")
    if bits > MAX_BITS:
        return _("it has more than 8192 bits.")
    if numbers.e < _MIN_EXPONENT or numbers.e % 2 == 0:
        return _("its exponent is smaller than 65537, or even.")
    # Without a factor at all it is a prime: then anybody can compute the private key as well.
    if (
        math.gcd(modulus, _SMALL_FACTORS) > 1
        or pow(3, modulus - 1, modulus) == 1
        or _has_close_primes(modulus)
    ):
        return _("its modulus can be factored.")
    return None


def _has_close_primes(modulus: int) -> bool:
    middle = math.isqrt(modulus - 1) + 1
    for _step in range(_FERMAT_STEPS):
        rest = middle * middle - modulus
        if math.isqrt(rest) ** 2 == rest:
            return True
        middle += 1
    return False


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        yield from ((f"{name}.{serial}", text) for serial, text in value.items() if isinstance(text, str))
    elif isinstance(value, list):
        yield from ((name, text) for text in value if isinstance(text, str))


def _numbers(text: str) -> Iterator[RSAPublicNumbers]:
    """The public numbers of the RSA keys in a text: certificates, a private key or a public key."""
    if is_certificate(text):
        yield from _of_certificates(text)
        return
    for parse in (lambda key: private_key(key).public_key(), public_key):
        try:
            yield parse(text).public_numbers()
        except ValueError:
            continue


def _of_certificates(text: str) -> Iterator[RSAPublicNumbers]:
    try:
        certificates = read_certificates(text)
    except ValueError:
        return
    for certificate in certificates:
        try:
            key = certificate.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, RSAPublicKey):
            yield key.public_numbers()
