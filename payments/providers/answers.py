"""Decodes providers' answers by the character set that they declare and by what their bytes are.

Alipay's gateway answers an error in GBK where it has not found the request's `charset` (yansongda/pay#247), with or
without a charset in Content-Type. Signatures cover bytes: `DecodedAnswer.bytes_of` gives those of a part of the text.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from dataclasses import dataclass

from ordersite.lib.http import Reply

_UTF8, _GB = "utf-8", "gb18030"
# Python's codec for a declared name. GB 18030 holds GBK and GB 2312. Names that fit any bytes, such as ISO-8859-1, are
# what servers declare by default: they are not here, and the bytes decide.
_DECLARED = {
    "utf-8": _UTF8,
    "utf8": _UTF8,
    "gbk": _GB,
    "gb2312": _GB,
    "gb18030": _GB,
    "gb_2312-80": _GB,
    "cp936": _GB,
    "ms936": _GB,
    "x-gbk": _GB,
    "windows-936": _GB,
}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
# From here on UTF-8 takes three bytes and more, which text in GBK resembles by no accident.
_THREE_BYTES = "\u0800"
_SHOWN_BYTES = 40


@dataclass(frozen=True, slots=True)
class DecodedAnswer:
    """An answer as text; `codec` turns exactly this text into the bytes that arrived (without a byte order mark)."""

    text: str
    codec: str

    def bytes_of(self, part: str) -> bytes:
        """The bytes that arrived for this part of the text."""
        return part.encode(self.codec)


def decode_answer(body: bytes, declared: str = "") -> DecodedAnswer:
    """Decode an answer's body strictly. `declared`: the character set that it names, empty or unknown ones included.

    A declared set that does not fit the bytes is passed over. Raises ValueError, with the first bytes, where none fits.
    """
    content = body.removeprefix(codecs.BOM_UTF8)
    for codec in _candidates(content, _DECLARED.get(declared.lower())):
        with suppress(UnicodeError):
            text = content.decode(codec)
            if text.encode(codec) == content:
                return DecodedAnswer(text, codec)
    raise ValueError(f"is in no known character set: {shown(body)}")


def decode_reply(reply: Reply) -> DecodedAnswer:
    """Decode an HTTP answer; its Content-Type may declare the character set. Raises ValueError like `decode_answer`."""
    found = _CHARSET.search(reply.headers.get("content-type", ""))
    return decode_answer(reply.body, found[1] if found else "")


def readable_text(reply: Reply) -> str:
    """An HTTP answer's text for staff, without NUL; its first bytes where they are in no known character set."""
    try:
        return decode_reply(reply).text.replace("\0", "")
    except ValueError:
        return shown(reply.body)


def shown(body: bytes) -> str:
    """The first bytes of an answer in printable ASCII, for staff; the others as `\\xa1`."""
    text = body[:_SHOWN_BYTES].decode("ascii", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _candidates(content: bytes, declared: str | None) -> tuple[str, str]:
    # Chinese in UTF-8 often decodes as GBK, too, into other characters; Chinese in GBK hardly ever as UTF-8.
    return (_GB, _UTF8) if declared == _GB and not _is_plainly_utf8(content) else (_UTF8, _GB)


def _is_plainly_utf8(content: bytes) -> bool:
    try:
        return max(content.decode(_UTF8), default="") >= _THREE_BYTES
    except UnicodeDecodeError:
        return False
