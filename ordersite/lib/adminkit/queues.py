"""Filters and actions that the work queues share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.models.case import CaseQuerySet


class QueueFilter(SimpleListFilter):
    """A list filter whose default is a choice of its own instead of all rows."""

    parameter_name = "state"
    opens_with = ""

    @property
    def chosen(self) -> str:
        return self.value() or self.opens_with

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, label in self.lookup_choices:
            yield {
                "selected": str(value) == self.chosen,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }


class OpenCasesFilter(QueueFilter):
    """Filter by open and resolved cases. Without a choice: open ones."""

    title = _("open cases")
    opens_with = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("to do")), ("resolved", _("resolved")), ("all", _("all of them"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> CaseQuerySet[Any]:
        if self.chosen == "all":
            return queryset
        return queryset.open() if self.chosen == "open" else queryset.resolved()


def is_open(case: Any) -> bool:
    """Whether this case is open, so that its actions are offered."""
    return bool(case.is_open)


def take(request: HttpRequest, case: Any, _data: Mapping[str, Any]) -> Promise:
    """Make the logged-in person the owner of an open case."""
    type(case).objects.open().filter(pk=case.pk).update(owner=request.user)
    return _("The case is yours.")
