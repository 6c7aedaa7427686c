"""A list filter that nobody offers: pages with counts link to the rows behind a number through it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")


class LinkedFilter(SimpleListFilter):
    """Shown only while it is in the address, with the one choice that it then has."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, self.label_of(value))] if value else []

    def label_of(self, value: str) -> str:
        return value

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        remove = changelist.get_query_string(remove=[str(self.parameter_name)])
        yield {"selected": False, "query_string": remove, "display": _("All")}
        for value, label in self.lookup_choices:
            query = changelist.get_query_string({str(self.parameter_name): value})
            yield {"selected": True, "query_string": query, "display": label}


class MinutesFilter(LinkedFilter):
    """Filter by `minutes=FROM-TO` (minutes since 1970, TO is exclusive); a value of another form finds nothing."""

    title = _("time")
    parameter_name = "minutes"
    column = "created_at"

    def label_of(self, value: str) -> str:
        times = times_of(value)
        if times is None:
            return value
        start, end = map(timezone.localtime, times)
        return f"{start:%m-%d %H:%M} – {end:%m-%d %H:%M}"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        times = times_of(self.value() or "")
        if times is None:
            return queryset.none()
        start, end = times
        return queryset.filter(**{f"{self.column}__gte": start, f"{self.column}__lt": end})


def times_of(value: str) -> tuple[datetime, datetime] | None:
    """Parse FROM-TO to two moments (UTC); None for any other text."""
    found = _RANGE.fullmatch(value)
    if found is None:
        return None
    start, end = (datetime.fromtimestamp(int(part) * 60, UTC) for part in found.groups())
    return start, end
