"""A person who has taken every step of a log-in, as if it had all been typed."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser, User
from django.test import Client

from ordersite.people import second_step, sessions
from ordersite.people.models import Authenticator, seal_key

_without_second_step = Client.force_login


def build_authenticator(user: AbstractUser, key: str = "") -> Authenticator:
    """Return the person's authenticator, made now if there is none."""
    if found := second_step.authenticator_of(user):
        return found
    sealed = seal_key(key or second_step.new_key(), user_id=user.pk)
    return Authenticator.objects.create(user=user, name="TOTP", sealed_key=sealed)


def log_in(client: Client, user: Any, backend: str | None = None) -> None:
    """Stand in for `Client.force_login` in every test: members of staff have taken the second step too."""
    with_password_only(client, user, backend)
    if user.is_staff:
        session = client.session
        sessions.mark_verified(session, build_authenticator(User.objects.get(pk=user.pk)))
        session.save()


def with_password_only(client: Client, user: Any, backend: str | None = None) -> None:
    """Log in as with the password, without the second step."""
    _without_second_step(client, user, backend)
