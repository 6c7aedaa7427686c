"""Parses form bodies on bytes: decoded once, no field twice.

The provider signed exactly the bytes that arrived, in any of several character sets; Django's form parser reads UTF-8
only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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


_NAME = re.compile(rb"[0-9A-Za-z_.-]+")
# Where one pair of a signed text `k=v&k=v` ends and the next one begins: «A & B» in a value is no such place.
PAIR_ENDS = re.compile(rb"&(?=[0-9A-Za-z_.-]+=)")


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


def split_text(text: bytes, pair_ends: re.Pattern[bytes]) -> list[bytes]:
    """Split a text at the ampersands that the pattern matches; whatever else it matches protects those inside."""
    ends = [found.start() for found in pair_ends.finditer(text) if found[0] == b"&"]
    return [text[begin + 1 : end] for begin, end in zip([-1, *ends], [*ends, len(text)], strict=True)]


def signed_text(form: Mapping[bytes, bytes], names: Iterable[bytes]) -> bytes:
    """The text `k=v&k=v` over these fields in the order of their names, values raw."""
    return b"&".join(name + b"=" + form[name] for name in sorted(names))


def check_one_reading(
    form: Mapping[bytes, bytes], names: Iterable[bytes], pair_ends: re.Pattern[bytes] = PAIR_ENDS
) -> None:
    """Raises `Rejected` (ambiguous_text) unless the text over these fields can be split into them alone.

    Whoever has a genuine message could otherwise divide the signed text anew: `a=1&b=2` is also the text of a single
    field `a` with the value `1&b=2`, and the signature fits both.
    """
    given = sorted(names)
    pairs = split_text(signed_text(form, given), pair_ends)
    if pairs != [name + b"=" + form[name] for name in given] or not all(map(_NAME.fullmatch, given)):
        raise Rejected("ambiguous_text")
