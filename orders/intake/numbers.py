"""Order numbers: `YYYYMMDD-XXXX-XXXX`, the day in the shop's time zone, the rest random."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from django.utils import timezone

# Crockford's base 32: no I, L, O, U, so that a number can be read out on the phone.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TAIL = re.compile(r"([0-9A-HJKMNP-TV-Z]{4})(-?)([0-9A-HJKMNP-TV-Z]{4})")
# What is heard or typed in place of a letter of that alphabet.
_MISHEARD = str.maketrans("OIL", "011")
# A buyer who reads out the end of a number speaks of an order of the last year.
TAIL_DAYS = 400
SHAPE = re.compile(r"[0-9]{8}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}")


def new_number(at: datetime) -> str:
    """A random number for an order created at `at` (UTC). 40 random bits a day; a unique constraint catches clashes."""
    bits = secrets.randbits(40)
    letters = "".join(ALPHABET[(bits >> shift) & 31] for shift in range(0, 40, 5))
    return f"{timezone.localtime(at, timezone.get_default_timezone()):%Y%m%d}-{letters[:4]}-{letters[4:]}"


def new_tracking_token() -> str:
    """A token of 144 random bits. Anyone who has it may see the tracking page."""
    return secrets.token_urlsafe(18)


def is_number(text: str) -> bool:
    return bool(SHAPE.fullmatch(text))


def numbers_with_tail(text: str, now: datetime) -> list[str]:
    """The numbers of the last TAIL_DAYS days that end so, newest first; none where the text is no end of a number.

    `text` is in capitals, with or without its dash; eight digits alone are a part of a phone number.
    """
    found = TAIL.fullmatch(text.translate(_MISHEARD))
    if not found or (text.isdigit() and not found[2]):
        return []
    today = timezone.localtime(now, timezone.get_default_timezone())
    days = (today - timedelta(days=back) for back in range(TAIL_DAYS))
    return [f"{day:%Y%m%d}-{found[1]}-{found[3]}" for day in days]
