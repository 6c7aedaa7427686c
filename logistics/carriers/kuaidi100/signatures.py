"""The signatures of Kuaidi100, as kuaidi100-api/java-demo utils/SignUtils.java makes them.

Each is over the exact text that is sent: JSON is serialised once, signed and sent.
"""

from __future__ import annotations

import hashlib
import hmac


def sign_query(param: str, *, key: str, customer: str) -> str:
    """The signature of a query: MD5 of param + key + customer."""
    return _md5(param + key + customer)


def sign_label(param: str, *, t: str, key: str, secret: str) -> str:
    """The signature of the label API: MD5 of param + t + key + secret; `t` is milliseconds since 1970."""
    return _md5(param + t + key + secret)


def sign_push(param: str, *, salt: str) -> str:
    """The signature of a push: MD5 of param + salt."""
    return _md5(param + salt)


def is_push_signature(sign: str, param: str, *, salt: str) -> bool:
    """Whether a push is signed with the salt. Old and new programs of the vendor write the digest in either case."""
    return hmac.compare_digest(sign.upper().encode("utf-8", "replace"), sign_push(param, salt=salt).encode())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
