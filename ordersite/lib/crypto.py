"""Secrets at rest (AES-256-GCM with key rotation), HMAC, tokens.

A sealed text reads `v1:key id:base64(nonce + ciphertext)`. It is bound to the place where it stands (table,
column and slug): copied to another row, it does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError

_FORM = "v1"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class CannotDecrypt(DomainError):
    """The text cannot be opened: another key, another place, or it was changed. Does not reveal which."""

    def __init__(self) -> None:
        super().__init__("cannot_decrypt", _("A stored secret cannot be opened with the keys given."))


def strict_base64(text: str | bytes) -> bytes:
    """Decode base64 in its one canonical form. Raises ValueError.

    `b64decode` ignores the unused bits of the last character: sixteen texts would stand for one signature.
    """
    raw = text.encode("ascii") if isinstance(text, str) else text
    try:
        decoded = base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(decoded) != raw:
        raise ValueError("not canonical base64")
    return decoded


def _parse_key(item: str) -> tuple[str, AESGCM]:
    key_id, sign, encoded = item.strip().partition(":")
    if not sign or not _KEY_ID.fullmatch(key_id):
        raise ValueError("each key must read id:base64, the id made of letters, digits, _ and -")
    try:
        key = strict_base64(encoded)
    except ValueError as error:
        raise ValueError(f"key {key_id} is not base64") from error
    if len(key) != _KEY_BYTES:
        raise ValueError(f"key {key_id} must have {_KEY_BYTES} bytes, not {len(key)}")
    return key_id, AESGCM(key)


def _bound(key_id: str, bound_to: str) -> bytes:
    return f"{_FORM}:{key_id}:{bound_to}".encode()


def key_id_of(token: str) -> str:
    """Return the id of the key that sealed this text. Raises `CannotDecrypt` for any other text."""
    form, _sep, rest = token.partition(":")
    key_id, sign, _data = rest.partition(":")
    if form != _FORM or not sign or not _KEY_ID.fullmatch(key_id):
        raise CannotDecrypt
    return key_id


@dataclass(frozen=True)
class KeyRing:
    """The keys of the site: the first one encrypts, all decrypt."""

    ciphers: dict[str, AESGCM] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Parse `id:base64,id:base64`, 32 bytes each. Raises ValueError, which never shows a key."""
        pairs = [_parse_key(item) for item in text.split(",")]
        ciphers = dict(pairs)
        if len(ciphers) != len(pairs):
            raise ValueError("a key id is given twice")
        return cls(ciphers)

    @property
    def key_ids(self) -> list[str]:
        """Return the ids; the first key seals new texts."""
        return list(self.ciphers)

    def seal(self, text: str, *, bound_to: str) -> str:
        """Encrypt a text. `bound_to` names its place, such as `payments_paymentaccount.secrets.demo-alipay`."""
        key_id = self.key_ids[0]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self.ciphers[key_id].encrypt(nonce, text.encode(), _bound(key_id, bound_to))
        return f"{_FORM}:{key_id}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, token: str, *, bound_to: str) -> str:
        """Decrypt a text. Raises `CannotDecrypt`."""
        key_id = key_id_of(token)
        cipher = self.ciphers.get(key_id)
        if cipher is None:
            raise CannotDecrypt
        try:
            data = strict_base64(token.rpartition(":")[2])
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(key_id, bound_to)).decode()
        except (InvalidTag, ValueError) as error:
            raise CannotDecrypt from error

    def seal_bytes(self, data: bytes, *, bound_to: str) -> tuple[str, bytes]:
        """Encrypt bytes; return the id of the key and the nonce with the ciphertext, 28 bytes longer than the data."""
        key_id = self.key_ids[0]
        nonce = os.urandom(_NONCE_BYTES)
        return key_id, nonce + self.ciphers[key_id].encrypt(nonce, data, _bound(key_id, bound_to))

    def open_bytes(self, key_id: str, sealed: bytes, *, bound_to: str) -> bytes:
        """Decrypt what `seal_bytes` returned. Raises `CannotDecrypt`."""
        cipher = self.ciphers.get(key_id)
        if cipher is None:
            raise CannotDecrypt
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(key_id, bound_to))
        except (InvalidTag, ValueError) as error:
            raise CannotDecrypt from error


def mac(key: bytes, data: bytes) -> str:
    """Return the HMAC-SHA256 in lower-case hex."""
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def new_token() -> str:
    """Return a random token of 256 bits, safe in a URL."""
    return secrets.token_urlsafe(32)
