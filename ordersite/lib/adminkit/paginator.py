"""Paginates big tables: no uncapped COUNT, no deep OFFSET, and the last page costs what the first costs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, cast

from django.core.paginator import InvalidPage, Page, Paginator
from django.db import connections
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# An OFFSET beyond this costs more than a page may (measured: 10,000 rows are 2 ms, 500,000 are 80).
DEEPEST = 10_000
# Below this an exact count is cheap, and an estimate of the planner may be stale.
TRUST_ESTIMATE_FROM = 20_000

_ESTIMATES = {
    "postgresql": "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
    # Rows are never deleted from the big tables, so the span of the keys is their number, found by two seeks.
    "sqlite": "SELECT coalesce((SELECT max(id) FROM {table}) - (SELECT min(id) FROM {table}) + 1, 0)",
}


class BothEndsPaginator(Paginator):
    """Takes a query set. Unfiltered and big: the count is an estimate, and pages are read from the nearer end.
    Filtered: counts at most DEEPEST rows, and `is_capped` means that there are more.

    A page that is deep from both ends raises InvalidPage: use a filter there.
    """

    template_name = "admin/desk/pagination.html"

    @property
    def rows(self) -> QuerySet[Any]:
        return cast("QuerySet[Any]", self.object_list)

    @cached_property
    def estimate(self) -> int:
        """Estimate the number of rows of an unfiltered big table; 0 for any other query."""
        rows = self.rows
        if rows.query.where or rows.query.is_sliced:
            return 0
        database, table = connections[rows.db], rows.model._meta.db_table
        sql = _ESTIMATES[database.vendor].format(table=database.ops.quote_name(table))
        with database.cursor() as cursor:
            cursor.execute(sql, [table] if "%s" in sql else None)
            found = cursor.fetchone()
        number = int(found[0]) if found else 0
        return number if number >= TRUST_ESTIMATE_FROM else 0

    @cached_property
    def first_rows(self) -> list[Any]:
        """Return the rows of the first page and one more: a short list is counted by reading it."""
        return list(self.rows[: self.per_page + 1])

    @cached_property
    def _counted(self) -> int:
        if len(self.first_rows) <= self.per_page:
            return len(self.first_rows)
        return int(self.rows.order_by().values("pk")[: DEEPEST + 1].count())

    @property
    def is_capped(self) -> bool:
        return not self.estimate and self._counted > DEEPEST

    @cached_property
    def count(self) -> int:
        return self.estimate or min(self._counted, DEEPEST)

    @property
    def count_text(self) -> str | Promise:
        """Return the list's length as text: exact, estimated or capped."""
        if self.estimate:
            return _("about %(count)s") % {"count": number_format(self.count, force_grouping=True)}
        if self.is_capped:
            return _("more than %(count)s") % {"count": number_format(DEEPEST, force_grouping=True)}
        return number_format(self.count, force_grouping=True)

    def page(self, number: int | str) -> Page:
        number = self.validate_number(number)
        if number == 1 and not self.estimate:
            return Page(self.first_rows[: self.per_page], 1, self)
        if number * self.per_page <= DEEPEST or not self.estimate:
            return super().page(number)
        return self._page_from_end(number)

    def _page_from_end(self, number: int) -> Page:
        skipped = (self.num_pages - number) * self.per_page
        if skipped >= DEEPEST:
            raise InvalidPage(_("This page is too deep. Narrow the list with a filter."))
        rows = list(self.rows.reverse()[skipped : skipped + self.per_page])
        rows.reverse()
        return Page(rows, number, self)

    def _is_reachable(self, number: int) -> bool:
        deepest = DEEPEST // self.per_page
        return number <= deepest or (bool(self.estimate) and self.num_pages - number < deepest)

    def get_elided_page_range(
        self, number: float | str = 1, *, on_each_side: int = 3, on_ends: int = 2
    ) -> Iterator[str | int]:
        for page in super().get_elided_page_range(number, on_each_side=on_each_side, on_ends=on_ends):
            if not isinstance(page, int) or self._is_reachable(page):
                yield page
