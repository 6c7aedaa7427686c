"""Filters of the logs of stored calls (`ordersite.queue.inbox`); each one uses an index or the primary key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter

from ordersite.lib.models.by_time import first_since

Rows = QuerySet[Any]
# The primary key is taken when a row is stored, `received_at` before: two rows may be in the other order.
_DISORDER = timedelta(minutes=1)


class CheckFilter(SimpleListFilter):
    """Filter by the signature check. The parameter is named after the column, so that saved addresses stay valid."""

    title = _("signature check")
    parameter_name = "verdict__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return _choices(model_admin, "check_result")

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(check_result=self.value()) if self.value() else queryset


class OutcomeFilter(SimpleListFilter):
    """Filter by outcome; waiting rows use the queue's index."""

    title = _("outcome")
    parameter_name = "outcome"
    waiting = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value or self.waiting, label) for value, label in _choices(model_admin, "outcome")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() == self.waiting:
            return queryset.filter(done_at__isnull=True, outcome="")
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class SinceFilter(TextFilter):
    title = _("received from (2026-11-22 14:00)")
    parameter_name = "since"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        text = (self.value() or "").strip()
        at = read_time(text)
        if at is None:
            return queryset.none() if text else queryset
        return queryset.filter(received_at__gte=at, pk__gte=_first_since(queryset, at - _DISORDER))


class UntilFilter(TextFilter):
    title = _("received until (2026-11-22 15:00)")
    parameter_name = "until"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        text = (self.value() or "").strip()
        at = read_time(text)
        if at is None:
            return queryset.none() if text else queryset
        return queryset.filter(received_at__lt=at, pk__lte=_first_since(queryset, at + _DISORDER))


def _choices(model_admin: Any, name: str) -> list[tuple[str, Any]]:
    return list(model_admin.model._meta.get_field(name).choices)


def read_time(text: str) -> datetime | None:
    """Parse ISO 8601 in the shop's zone; a date is its midnight. Returns None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 <= at.year < 9000:
        return None
    return at if at.tzinfo else timezone.make_aware(at)


def _first_since(rows: Rows, at: datetime) -> int:
    """`received_at` has no index, which would slow every insert; primary keys are in its order."""
    return first_since(rows.model._default_manager.all(), "received_at", at)
