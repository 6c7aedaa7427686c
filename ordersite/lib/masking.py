"""What a person may see of personal data without the right to see it whole."""

from __future__ import annotations

import re

_PHONE = re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)")


def mask_phones(text: str) -> str:
    """Replace the middle of every Chinese mobile number in a text: `138****8000`."""
    return _PHONE.sub(r"\1****\2", text)


def mask_phone(phone: str) -> str:
    """The first three and last four digits: `138****8000`. Short numbers show their last two alone."""
    if len(phone) < 8:
        return "*" * max(len(phone) - 2, 0) + phone[-2:]
    return f"{phone[:3]}****{phone[-4:]}"


def mask_name(name: str) -> str:
    """The first character, and the last of names of three and more: `王*明`, `王*`."""
    if len(name) < 2:
        return name
    if len(name) == 2:
        return f"{name[0]}*"
    return f"{name[0]}*{name[-1]}"


def shorten_secret(text: str, *, keep: int = 8) -> str:
    """The beginning of a long value, enough to compare two of them by eye."""
    return text if len(text) <= keep else f"{text[:keep]}…({len(text)})"
