"""People of the back office who read English."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import Client


def client_of(role: str, name: str = "") -> Client:
    user = User.objects.create_user(name or role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client(headers={"accept-language": "en"})
    client.cookies["django_language"] = "en"
    client.force_login(user)
    return client
