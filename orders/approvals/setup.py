"""The set-up exception: the first administrator of a fresh installation changes alone what later takes two persons.

It is a latch. It ends for ever once a second person who may approve such a change has logged in: removing that person,
or the right, does not bring it back.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import AbstractUser, User
from django.db.models import Q
from django.utils import timezone

from orders.approvals.change_kind import ChangeKind
from orders.approvals.kinds import registered
from orders.models import SetupEnd

_ONLY_ROW = 1


def may_set_up_alone(user: AbstractUser) -> bool:
    """Whether the exception still holds for this person."""
    if not user.is_superuser or not _is_first(user) or SetupEnd.objects.exists():
        return False
    return not _has_second_person(user)


def is_set_up_alone() -> bool:
    """Whether only the first administrator, or nobody yet, has been here who may approve. For commands on the server."""
    first = User.objects.filter(is_superuser=True).order_by("pk").first()
    return not SetupEnd.objects.exists() and not _has_second_person(first)


def note_login(sender: type[Any], user: AbstractUser, **_kwargs: Any) -> None:
    """End the set-up when a second person who may approve logs in. Receiver of Django's `user_logged_in`."""
    if not _is_first(user) and any(user.has_perm(right) for right in _rights()):
        row = SetupEnd(pk=_ONLY_ROW, ended_at=timezone.now(), ended_by=user.get_username())
        SetupEnd.objects.bulk_create([row], ignore_conflicts=True)


def _rights() -> Collection[str]:
    """The permissions to approve a change."""
    return {kind.may_approve for kind in registered() if isinstance(kind, ChangeKind)}


def _is_first(user: AbstractUser) -> bool:
    first = User.objects.filter(is_superuser=True).order_by("pk").values_list("pk", flat=True).first()
    return user.pk == first


def _has_second_person(user: AbstractUser | None) -> bool:
    """Whether a second person with such a right ever logged in, also one who has left. For installations without a row."""
    others = User.objects.filter(last_login__isnull=False)
    if user:
        others = others.exclude(pk=user.pk)
    return others.filter(Q(is_superuser=True) | _holding(_rights())).exists()


def _holding(rights: Collection[str]) -> Q:
    found = Q()
    for right in rights:
        app, codename = right.split(".")
        for path in ("groups__permissions", "user_permissions"):
            found |= Q(**{f"{path}__content_type__app_label": app, f"{path}__codename": codename})
    return found
