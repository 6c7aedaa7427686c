"""WeChat Pay's keys: the platform's keys by serial number, our own key, and the AES key of the notifications.

During a change from platform certificates to the platform's public key, notifications carry either kind at random for
about a week (developers.weixin.qq.com/community/develop/doc/0004e8c40b09182972936db6d69400), so an account holds
several keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ordersite.lib.crypto import strict_base64
from payments.providers.certificates import is_certificate, read_certificate, rsa_key
from payments.providers.rsa_keys import public_key
from payments.providers.types import AccountKeys

AES_KEY_BYTES = 32
NONCE_BYTES = 12
SIGN_TYPE = "WECHATPAY2-SHA256-RSA2048"
_PUBLIC_KEY_ID = re.compile(r"PUB_KEY_ID_[0-9A-Za-z]{1,64}", re.ASCII)
_SERIAL = re.compile(r"[0-9A-Fa-f]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """One of the platform's keys.

    `serial` is the certificate's serial number in hex, empty for a bare public key, which never expires. `begins_at`
    and `ends_at` are UTC.
    """

    key: RSAPublicKey
    serial: str = ""
    begins_at: datetime | None = None
    ends_at: datetime | None = None

    def is_valid_at(self, moment: datetime) -> bool:
        if self.begins_at is None or self.ends_at is None:
            return True
        return self.begins_at <= moment <= self.ends_at


# The cache key is the text itself: a changed key can never yield the old object.
@lru_cache(maxsize=512)
def platform_key(text: str) -> PlatformKey:
    """Parse a public key or a certificate in PEM. Raises ValueError."""
    if not is_certificate(text):
        return PlatformKey(public_key(text))
    certificate = read_certificate(text)
    return PlatformKey(
        key=rsa_key(certificate),
        serial=f"{certificate.serial_number:X}",
        begins_at=certificate.not_valid_before_utc,
        ends_at=certificate.not_valid_after_utc,
    )


def is_public_key_id(name: str) -> bool:
    return _PUBLIC_KEY_ID.fullmatch(name) is not None


def is_serial(name: str) -> bool:
    """Whether the text can be a certificate's serial number in hex."""
    return _SERIAL.fullmatch(name) is not None


def plain_serial(name: str) -> str:
    """The normal form of a serial number: upper case, no leading zeros. A public key's id is returned unchanged."""
    return name.upper().lstrip("0") if is_serial(name) else name


def find_key(keys: AccountKeys, serial: str, *, at: datetime) -> RSAPublicKey:
    """The platform's key of that serial number or id, valid at `at` (UTC).

    Raises LookupError with the reason when there is none. An unknown key is never fetched, because then any sender of
    an invented serial number could make us call the provider.
    """
    wanted = plain_serial(serial)
    for name, text in keys.secret_map("platform_keys").items():
        if plain_serial(name) != wanted:
            continue
        try:
            found = platform_key(text)
        except ValueError as error:
            raise LookupError(f"platform key {serial[:80]}: {error}") from error
        if not found.is_valid_at(at):
            raise LookupError(f"the certificate {serial[:80]} is out of its time")
        return found.key
    raise LookupError(f"no platform key {serial[:80]}")


def public_key_id(keys: AccountKeys) -> str:
    """The id to request in `Wechatpay-Serial`; empty where the account has only certificates."""
    return next(filter(is_public_key_id, keys.secret_map("platform_keys")), "")


@lru_cache(maxsize=512)
def _cipher(api_v3_key: str) -> AESGCM:
    return AESGCM(aes_key(api_v3_key))


def aes_key(text: str) -> bytes:
    """The bytes of the APIv3 key, which are its 32 ASCII characters. Raises ValueError, which never shows the key."""
    try:
        key = text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError("not ASCII") from None
    if len(key) != AES_KEY_BYTES:
        raise ValueError(f"not {AES_KEY_BYTES} characters")
    return key


def decrypt(api_v3_key: str, *, nonce: str, ciphertext: str, associated_data: str) -> bytes:
    """Decrypt AEAD_AES_256_GCM; the tag is the last 16 bytes of the decoded base64. Raises ValueError."""
    try:
        nonce_bytes = nonce.encode("ascii")
        if len(nonce_bytes) != NONCE_BYTES:
            raise ValueError("the nonce is not 12 bytes")
        return _cipher(api_v3_key).decrypt(nonce_bytes, strict_base64(ciphertext), associated_data.encode())
    except InvalidTag:
        raise ValueError("the tag does not fit") from None
