"""Errors of working on a case, by code."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def already_resolved() -> DomainError:
    return DomainError("already_resolved", _("This case is resolved already."))


def note_missing() -> DomainError:
    return DomainError("note_missing", _("Say how the case was resolved."))


def remedy_gone() -> DomainError:
    return DomainError("remedy_gone", _("This does not fit the case any more. Look at it again."))
