"""Signatures as the outside makes and checks them."""

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256


def rsa2_sign(key: RSAPrivateKey, content: bytes) -> str:
    """SHA256withRSA, PKCS#1 v1.5, base64: what Alipay calls RSA2."""
    return base64.b64encode(key.sign(content, PKCS1v15(), SHA256())).decode()


def rsa2_verify(key: RSAPublicKey, *, content: bytes, signature: str) -> bool:
    """False for a wrong signature and for text that is no base64."""
    try:
        key.verify(base64.b64decode(signature, validate=True), content, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def sorted_pairs(fields: Mapping[str, str], *, leave_out: frozenset[str]) -> str:
    """`k=v&k=v` sorted by key, raw values, as Alipay signs requests and notifications."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in leave_out)


def webhook_secret_bytes(secret: str) -> bytes:
    """The key of a secret of Standard Webhooks: `whsec_` and base64. Raises ValueError."""
    if not secret.startswith("whsec_"):
        raise ValueError("secret does not begin with whsec_")
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def webhook_signature(secret: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` over `{id}.{timestamp}.{body}` (Standard Webhooks 1.0.0)."""
    digest = hmac.new(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def webhook_verify(secret: bytes, *, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Check a call in the Standard Webhooks form; its time may be 300 s off either way."""
    message_id, text = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or "." in message_id or not (text.isascii() and text.isdigit() and len(text) < 12):
        return False
    if abs(now - int(text)) > 300:
        return False
    right = webhook_signature(secret, message_id=message_id, timestamp=int(text), body=body).encode()
    offered = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(one, right) for one in offered)


def spoil(signature: str) -> str:
    """A signature of the same form and length that is wrong: one bit in its middle is turned."""
    prefix, _, text = signature.rpartition(",")
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return f"{prefix}," * bool(prefix) + base64.b64encode(raw).decode()


def unionpay_sign(key: RSAPrivateKey, fields: Mapping[str, str]) -> str:
    """UnionPay 5.1.0: SHA256withRSA over the lower-case hex text of the SHA-256 of the sorted pairs."""
    return rsa2_sign(key, _unionpay_content(fields))


def unionpay_verify(key: RSAPublicKey, fields: Mapping[str, str]) -> bool:
    """Check a message in the form that `unionpay_sign` signs."""
    return rsa2_verify(key, content=_unionpay_content(fields), signature=fields.get("signature", ""))


def _unionpay_content(fields: Mapping[str, str]) -> bytes:
    filled = {name: value for name, value in fields.items() if value}
    text = sorted_pairs(filled, leave_out=frozenset({"signature"}))
    return hashlib.sha256(text.encode()).hexdigest().encode()


def new_uuid() -> str:
    """A fresh id in the form that WeChat Pay gives its notifications."""
    return str(uuid.uuid4())
