"""Loads people with their authenticators, since every page needs both."""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User


class PeopleBackend(ModelBackend):
    """Django's backend; the user and the authenticator come in one query."""

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("authenticator").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
