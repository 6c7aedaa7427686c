"""How long a session lasts, and when its person last gave the password. Marks stand in the session, in Unix seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_otp
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from ordersite.people.models import Authenticator

LONGEST = timedelta(hours=12)
LONGEST_IDLE = timedelta(hours=1)
PASSWORD_LASTS = timedelta(minutes=15)
# A mark is written again after this long, not with each page.
_PRECISION = timedelta(minutes=1)
ENTERED, SEEN, PASSWORD = "entered_at", "seen_at", "password_at"
_PENDING = "pending_totp"
_VERIFIED = django_otp.DEVICE_ID_SESSION_KEY


def note_login(
    sender: type[Any], request: HttpRequest | None, user: AbstractBaseUser, **_kwargs: Any
) -> None:
    """Mark a session that just began. Receiver of Django's `user_logged_in`; the second step is still to come."""
    if request is None:
        return
    for name in (_VERIFIED, _PENDING):
        request.session.pop(name, None)
    for name in (ENTERED, SEEN, PASSWORD):
        request.session[name] = _now()


def is_over(session: SessionBase) -> bool:
    """Tell whether a log-in has lasted too long, in all or unused. One without marks is of an older release."""
    return not (_is_within(session, ENTERED, LONGEST) and _is_within(session, SEEN, LONGEST_IDLE))


def note_use(session: SessionBase) -> None:
    """Begin the idle time anew."""
    if not _is_within(session, SEEN, _PRECISION):
        session[SEEN] = _now()


def has_fresh_password(session: SessionBase) -> bool:
    return _is_within(session, PASSWORD, PASSWORD_LASTS)


def note_password(session: SessionBase) -> None:
    session[PASSWORD] = _now()


def mark_verified(session: SessionBase, device: Authenticator) -> None:
    """Note that this session's person has given a code of this authenticator."""
    session[_VERIFIED] = device.persistent_id


def is_verified(session: SessionBase, device: Authenticator) -> bool:
    return session.get(_VERIFIED) == device.persistent_id


def pending_key(session: SessionBase) -> str:
    """Return the sealed key that this session was shown and has not confirmed; empty without one."""
    return str(session.get(_PENDING, ""))


def set_pending_key(session: SessionBase, sealed: str) -> None:
    session[_PENDING] = sealed


def forget_pending_key(session: SessionBase) -> None:
    session.pop(_PENDING, None)


def end_sessions(user_id: int, *, but: str | None = None) -> int:
    """Log a person out everywhere, except in the session with the key `but`; return how many sessions ended.

    Sessions name their person only inside, so all live ones are read: those of at most twelve hours.
    """
    live = Session.objects.filter(expire_date__gt=timezone.now())
    theirs = [row.pk for row in live if row.get_decoded().get(SESSION_KEY) == str(user_id) and row.pk != but]
    return Session.objects.filter(pk__in=theirs).delete()[0]


def _is_within(session: SessionBase, name: str, limit: timedelta) -> bool:
    """Tell whether a mark is younger than this; one from the future, beyond what clocks differ, is none."""
    at = session.get(name)
    if not isinstance(at, int):
        return False
    return -_PRECISION.total_seconds() <= _now() - at < limit.total_seconds()


def _now() -> int:
    return int(timezone.now().timestamp())
