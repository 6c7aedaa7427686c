"""Search by phone for people who may not see whole phone numbers: all digits only, few times a minute, recorded.

A page shows them `138****8000`. Whoever could search for a part, or as often as they like, would find the hidden digits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders import about
from orders.models import PhoneLook
from ordersite.lib.errors import DomainError

RIGHT = "orders.view_buyer_phone"
SEARCHES_A_MINUTE = 20
_MINUTE = timedelta(minutes=1)
_MOBILE = r"(?:0086|86)?1[3-9][0-9]{9}"
_LANDLINE = r"(?:0086|86)?0?[1-9][0-9]{1,2}[2-9][0-9]{6,7}|[2-9][0-9]{6,7}"
_WHOLE = re.compile(rf"{_MOBILE}|{_LANDLINE}")
# Our order numbers begin with eight digits and a dash; longer rows of digits are waybills and providers' numbers.
_PART = re.compile(r"[+0-9*?%_.x -]{4,20}")
_MOST_DIGITS = 11


def too_many_searches() -> DomainError:
    return DomainError(
        "too_many_phone_searches",
        _("Searching by phone is limited to %(limit)s numbers a minute. Wait a moment."),
        limit=SEARCHES_A_MINUTE,
    )


def find(term: str, user: AbstractBaseUser | AnonymousUser, *, merchant_id: int | None = None) -> list[int]:
    """Ids of orders as `orders.about.find` returns them, within what this person may learn of phones.

    Raises `DomainError` too_many_phone_searches.
    """
    if not isinstance(user, User) or user.has_perm(RIGHT):
        return about.find(term, merchant_id=merchant_id)
    digits = about.digits_of(term)
    if not (_WHOLE.fullmatch(digits) or term.strip().startswith("+")):
        return about.find(term, merchant_id=merchant_id, by_phone=False)
    with transaction.atomic():
        _count(user, digits)
        found = about.find(term, merchant_id=merchant_id, parts_of_phones=False)
        _record(user, digits, found)
    return found


def is_part_of_phone(term: str, user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether this looks like a part of a phone number, typed by a person who may search by whole ones only."""
    digits = about.digits_of(term)
    if not isinstance(user, User) or user.has_perm(RIGHT) or _WHOLE.fullmatch(digits):
        return False
    return _PART.fullmatch(term.strip()) is not None and len(digits) <= _MOST_DIGITS


def _count(user: User, digits: str) -> None:
    """Raise too_many_phone_searches at the limit. The person's row is locked: searches at once are counted as well."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    recent = _searches(user).exclude(searched=_fingerprint(digits))
    if recent.values("searched").distinct().count() >= SEARCHES_A_MINUTE:
        raise too_many_searches()


def _record(user: User, digits: str, found: list[int]) -> None:
    """Record the search like a look at a phone; the same number again within the minute is the same search."""
    fingerprint = _fingerprint(digits)
    if not _searches(user).filter(searched=fingerprint).exists():
        PhoneLook.objects.create(
            user_id=user.pk,
            username=user.get_username(),
            order_id=found[0] if found else None,
            searched=fingerprint,
        )


def record_command(username: str, term: str, found: Sequence[int]) -> None:
    """Record a search by phone of a person at a terminal, whom no page knows; nothing where the term is no phone."""
    digits = about.digits_of(term)
    if _WHOLE.fullmatch(digits):
        first = found[0] if found else None
        PhoneLook.objects.create(user_id=0, username=username, order_id=first, searched=_fingerprint(digits))


def _searches(user: User) -> QuerySet[PhoneLook]:
    return PhoneLook.objects.filter(user_id=user.pk, looked_at__gt=timezone.now() - _MINUTE).exclude(
        searched=""
    )


def _fingerprint(digits: str) -> str:
    """Tells two numbers apart in the log and reveals neither: a plain hash of eleven digits could be tried out."""
    key = f"phone search {settings.SECRET_KEY}".encode()
    return hmac.new(key, digits.encode(), hashlib.sha256).hexdigest()[:16]
