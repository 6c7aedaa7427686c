"""Alipay's RSA2: SHA256withRSA, PKCS#1 v1.5. `rsa_keys` parses the keys."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from payments.providers import rsa_keys
from payments.providers.rsa_keys import is_signed, is_signed_text, private_key, public_key

__all__ = ("is_signed", "is_signed_text", "private_key", "public_key", "sign")


def sign(key: RSAPrivateKey, params: Mapping[str, str]) -> str:
    """The signature of a request: all parameters that are not empty, sign_type included, sorted, UTF-8."""
    text = "&".join(f"{name}={value}" for name, value in sorted(params.items()) if value)
    return rsa_keys.sign(key, text.encode())
