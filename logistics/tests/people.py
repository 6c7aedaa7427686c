"""People who work on parcels, for tests."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import Client


def build_agent() -> Client:
    """Log an agent into the back office, in Chinese."""
    user = User.objects.create_user("agent", is_staff=True)
    user.groups.add(Group.objects.get(name="agent"))
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(user)
    return client
