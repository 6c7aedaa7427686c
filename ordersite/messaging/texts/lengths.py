"""How long a message is where it is paid by its length, or cut.

An SMS of up to 70 characters is one part; a longer one is split into parts of 67 (Chinese vendors count every character
as one, the signature 【…】 before the text included). WeChat limits the fields of its templates by the kind that their
names begin with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ONE_PART, OF_SEVERAL = 70, 67
# Characters that a field of this kind may have: the table of WeChat's template messages.
FIELD_LENGTHS: Mapping[str, int] = {
    "thing": 20, "character_string": 32, "number": 32, "letter": 32, "symbol": 5, "phone_number": 17, "car_number": 8,
    "name": 10, "phrase": 5, "const": 20, "short_thing": 5, "amount": 20, "time": 40, "date": 40,
}  # fmt: skip
_FIELD = re.compile(r"([a-z_]+?)[0-9]{1,3}", re.ASCII)


def sms_parts(text: str, *, sign: str = "") -> int:
    """How many SMS a text is paid as; `sign` is the signature without its brackets."""
    length = len(text) + (len(sign) + 2 if sign else 0)
    return 1 if length <= ONE_PART else -(-length // OF_SEVERAL)


def field_kind(name: str) -> str:
    """The kind of a WeChat field: `thing` of `thing12`; empty for a name that is none."""
    found = _FIELD.fullmatch(name)
    return found[1] if found and found[1] in FIELD_LENGTHS else ""


def cut_field(name: str, value: str) -> str:
    """The value as WeChat takes it: a longer one ends with an ellipsis."""
    most = FIELD_LENGTHS[field_kind(name)]
    return value if len(value) <= most else f"{value[: most - 1]}…"
