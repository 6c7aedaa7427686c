"""Parses form bodies on bytes: decoded once, no field twice.

The provider signed exactly the bytes that arrived, in any of several character sets; Django's form parser reads UTF-8
only.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from payments.providers.errors import Rejected

# These messages have about 35 fields; the bound limits the work that a stranger can cause.
MAX_FIELDS = 200
# Python's codec for each accepted name. Java, which writes these messages, puts GBK characters into "gb2312" too.
CODECS: Mapping[str, str] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gbk": "gbk",
    "gb2312": "gbk",
    "gb18030": "gb18030",
}


def _unquote(text: bytes) -> bytes:
    plain = text.replace(b"+", b" ")
    return unquote_to_bytes(plain) if b"%" in plain else plain  # most values have none: saves the call


def split_form(body: bytes) -> dict[bytes, bytes]:
    """The pairs of a form body, percent-decoded once ('+' is a blank, %2B is '+'). Raises `Rejected`."""
    segments = body.split(b"&")
    if len(segments) > MAX_FIELDS:
        raise Rejected("malformed", "too many fields")
    form: dict[bytes, bytes] = {}
    for segment in segments:
        name, sign, value = segment.partition(b"=")
        key = _unquote(name)
        if not sign or not key:
            raise Rejected("malformed", "not a form")
        if key in form:
            raise Rejected("duplicate_key", key[:40].decode("utf-8", "replace"))
        form[key] = _unquote(value)
    return form


def decode_form(form: Mapping[bytes, bytes], codec: str) -> dict[str, str]:
    """Names and values decoded strictly. Raises `Rejected` for bytes outside the character set and for NUL."""
    try:
        fields = {name.decode(codec): value.decode(codec) for name, value in form.items()}
    except UnicodeDecodeError as error:
        raise Rejected("bad_charset", codec) from error
    if any("\0" in name or "\0" in value for name, value in fields.items()):
        raise Rejected("malformed", "contains NUL")
    return fields
