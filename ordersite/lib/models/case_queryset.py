"""The query set of all tables of cases."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


class CaseQuerySet(QuerySet[M]):
    """For models with `resolved_at`, empty while the case is open."""

    def open(self) -> Self:
        return self.filter(resolved_at__isnull=True)

    def resolved(self) -> Self:
        return self.filter(resolved_at__isnull=False)
