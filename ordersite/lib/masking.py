"""Masks personal data for people without the right to see it whole."""

from __future__ import annotations

import re

# With or without the country code (also as a URL writes its plus), in one piece or in groups of 3, 4 and 4.
_PHONE = re.compile(r"(?<![0-9])((?:(?:00)?86[- ]?)?1[3-9][0-9])([- ]?)[0-9]{4}[- ]?([0-9]{4})(?![0-9])")
_PHONE_IN_URL = re.compile(r"(%2B86(?:%20|-)?1[3-9][0-9])()[0-9]{4}([0-9]{4})(?![0-9])", re.IGNORECASE)


def mask_phones(text: str) -> str:
    """Replace the middle of every Chinese mobile number in a text: `138****8000`."""
    return _PHONE.sub(r"\1\2****\3", _PHONE_IN_URL.sub(r"\1\2****\3", text))


def mask_phone(phone: str) -> str:
    """Keep the first three and last four digits: `138****8000`. Short numbers keep their last two alone."""
    if len(phone) < 8:
        return "*" * max(len(phone) - 2, 0) + phone[-2:]
    return f"{phone[:3]}****{phone[-4:]}"


def mask_name(name: str) -> str:
    """Keep the first character, and the last of names of three and more: `王*明`, `王*`."""
    if len(name) < 2:
        return name
    if len(name) == 2:
        return f"{name[0]}*"
    return f"{name[0]}*{name[-1]}"


def shorten_secret(text: str, *, keep: int = 8) -> str:
    """Keep the beginning of a long value, enough to compare two of them by eye."""
    return text if len(text) <= keep else f"{text[:keep]}…({len(text)})"
