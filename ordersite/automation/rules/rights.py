"""What a rule's owner may do: a rule may do by itself what its owner may do by hand, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.contrib.auth.models import AbstractUser, Permission, User
from django.db.models import Q

from ordersite.automation.actions.interface import RuleAction
from ordersite.automation.actions.registry import ACTIONS
from ordersite.automation.errors import not_permitted, right_missing

MANAGE = "automation.manage_rules"


def needed_by(actions: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """The rights that a version with these actions needs, as stored in it."""
    known = (ACTIONS.get(str(action.get("action"))) for action in actions)
    return frozenset({MANAGE, *(action.permission for action in known if action)})


def check_rights(user: AbstractUser, actions: Sequence[RuleAction]) -> None:
    """Raises `DomainError` not_permitted, right_missing."""
    if not may_own(user):
        raise not_permitted()
    for action in actions:
        if not user.has_perm(action.permission):
            raise right_missing(action.label)


def may_own(user: AbstractUser) -> bool:
    """Whether this person may have rules that act."""
    return bool(user.is_active and user.is_staff and user.has_perm(MANAGE))


def rights_of(user_ids: Collection[int]) -> Mapping[int, frozenset[str] | None]:
    """The rights of each of these people that actions ask for; None: no longer active. Three statements.

    The same as `has_perm` says of each, without its two statements for each person.
    """
    people = User.objects.filter(pk__in=user_ids).values_list("pk", "is_active", "is_staff", "is_superuser")
    every = frozenset({MANAGE, *(action.permission for action in ACTIONS.values())})
    held = _held(user_ids, every)
    found: dict[int, frozenset[str] | None] = dict.fromkeys(user_ids)
    for pk, is_active, is_staff, is_superuser in people:
        if is_active and is_staff:
            found[pk] = every if is_superuser else frozenset(held[pk])
    return found


def _held(user_ids: Collection[int], every: Collection[str]) -> Mapping[int, set[str]]:
    codenames = {right.partition(".")[2] for right in every}
    held: defaultdict[int, set[str]] = defaultdict(set)
    for path in ("group__user", "user"):
        rows = Permission.objects.filter(Q(**{f"{path}__in": list(user_ids)}), codename__in=codenames)
        for pk, app, codename in rows.values_list(path, "content_type__app_label", "codename"):
            held[pk].add(f"{app}.{codename}")
    return held
