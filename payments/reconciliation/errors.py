"""The refusals of a settlement from a statement; those of its approval are the engine's."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def not_matched() -> DomainError:
    return DomainError("not_matched", _("This statement is not matched; nothing can be settled from it."))
