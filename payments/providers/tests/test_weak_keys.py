"""Weak RSA keys are named when an account is saved, whichever of its keys they are."""

from __future__ import annotations

from functools import lru_cache

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ordersite.lib.errors import DomainError
from payments.accounts.save import checked_keys
from payments.providers.alipay.tests import messages as alipay_messages
from payments.providers.weak_keys import weakness
from payments.providers.wechatpay.tests import messages as wechatpay_messages


@lru_cache
def numbers() -> RSAPublicNumbers:
    return generate_private_key(65537, 2048).public_key().public_numbers()


def pem(found: RSAPublicNumbers) -> str:
    return found.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def close_primes() -> int:
    middle = numbers().n >> 1024
    return (middle | 1) * ((middle | 1) + 2)


WEAK = {
    "even modulus": lambda: RSAPublicNumbers(65537, numbers().n - 1),
    "small factor": lambda: RSAPublicNumbers(65537, numbers().n * 1999),
    "close primes": lambda: RSAPublicNumbers(65537, close_primes()),
    "prime": lambda: RSAPublicNumbers(65537, 2**2203 - 1),
    "exponent 3": lambda: RSAPublicNumbers(3, numbers().n),
    "exponent 257": lambda: RSAPublicNumbers(257, numbers().n),
    "short": lambda: RSAPublicNumbers(65537, numbers().n >> 1 | 1),
    "long": lambda: RSAPublicNumbers(65537, numbers().n ** 5),
}


@pytest.mark.parametrize("kind", WEAK)
def test_weakness_has_a_reason(kind: str) -> None:
    assert weakness(WEAK[kind]())


def test_usual_key_is_good() -> None:
    assert weakness(numbers()) is None


@pytest.mark.parametrize("kind", ["even modulus", "exponent 3", "long"])
def test_alipay_account_is_refused(kind: str) -> None:
    keys = alipay_messages.account()
    with pytest.raises(DomainError) as refused:
        checked_keys(
            "shop-1", "alipay", {**keys.config, **keys.secrets, "alipay_public_key": pem(WEAK[kind]())}
        )
    assert (refused.value.code, "alipay_public_key" in str(refused.value.message)) == ("bad_account", True)


def test_platform_key_is_named_by_its_serial() -> None:
    values = wechatpay_messages.account_file()
    values["platform_keys"] = {**values["platform_keys"], "PUB_KEY_ID_0009": pem(WEAK["exponent 3"]())}
    with pytest.raises(DomainError) as refused:
        checked_keys("shop-1", "wechatpay", values)
    assert "platform_keys.PUB_KEY_ID_0009" in str(refused.value.message)
