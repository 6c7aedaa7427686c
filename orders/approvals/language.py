"""Remembers the language that a person chose, for the mail that they get without a page open."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from orders.models import StaffLanguage


def remember(user: AbstractBaseUser, language: str) -> None:
    """Store the language of this person; one that the site does not have is ignored."""
    if language in dict(settings.LANGUAGES):
        StaffLanguage.objects.update_or_create(user_id=user.pk, defaults={"language": language})


def note_login(
    sender: type[Any], request: HttpRequest | None, user: AbstractBaseUser, **_kwargs: Any
) -> None:
    """Receiver of Django's `user_logged_in`: what was chosen before the log-in counts too."""
    if request is not None:
        remember(user, request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, ""))
