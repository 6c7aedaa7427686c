"""What the work queues of cases share: the open ones first, an owner, a resolution."""

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
    """Opens with a choice of its own instead of all rows: a queue is what is still to do."""

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
    """Shows the open cases unless another choice is made."""

    title = _("open cases")
    opens_with = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("to do")), ("resolved", _("resolved")), ("all", _("all of them"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> CaseQuerySet[Any]:
        if self.chosen == "all":
            return queryset
        return queryset.open() if self.chosen == "open" else queryset.resolved()


def is_open(case: Any) -> bool:
    """Whether an action of open cases is offered for this row."""
    return bool(case.is_open)


def take(request: HttpRequest, case: Any, _data: Mapping[str, Any]) -> Promise:
    """Make this person the owner of an open case."""
    type(case).objects.open().filter(pk=case.pk).update(owner=request.user)
    return _("The case is yours.")
