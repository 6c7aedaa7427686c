"""Checks passwords within the throttle's limits, and loads people with their authenticators: every page needs both."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from ordersite.people.throttle import note_success, one_try


class PeopleBackend(ModelBackend):
    """Django's backend; the user and the authenticator come in one query."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Check a password. Raises `LoginThrottled` before anything is hashed where the caller has to wait."""
        name = username if username is not None else str(kwargs.get(User.USERNAME_FIELD, ""))
        with one_try(request, name) as attempt:
            user = super().authenticate(request, username=name, password=password)
            if user is not None and attempt is not None:
                note_success(attempt, user)
            return user

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("authenticator").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
