"""The refusals of this app, by code."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def bad_rule(why: str | Promise) -> DomainError:
    return DomainError("bad_rule", why)


def right_missing(action: str | Promise) -> DomainError:
    return DomainError(
        "right_missing",
        _("You may not do this by hand, so your rule may not either: %(action)s."),
        action=action,
    )


def not_looked_at() -> DomainError:
    return DomainError(
        "not_looked_at",
        _("Look at a dry run of exactly this version first; then the rule can be switched on."),
    )


def not_permitted() -> DomainError:
    return DomainError("not_permitted", _("You may not change automation rules."))


def no_longer_current() -> DomainError:
    return DomainError("no_longer_current", _("Somebody has saved this rule meanwhile: look at it again."))
