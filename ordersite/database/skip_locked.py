"""Claims rows for one process alone: one UPDATE that skips what others are claiming at the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models
from django.db.models.expressions import RawSQL
from django.db.models.sql import UpdateQuery

_PICKED = RawSQL("SELECT picked.id FROM picked", ())


def claim_rows(
    due: models.QuerySet[Any], *, limit: int, values: Mapping[str, Any], returning: Sequence[str] = ("id",)
) -> list[tuple[Any, ...]]:
    """Write `values` (also `F` expressions) into up to `limit` rows of `due`, in its order, and return their columns.

    `returning` names columns of integers or text of the table, as they stand after the write. Commits when called
    outside a transaction. Materialized, because PostgreSQL may run a plain subquery again for every row, and then
    claims more than `limit` rows.
    """
    picking, picked_params = due.values("pk")[:limit].query.sql_with_params()
    updating, update_params = _update(due.model, values)
    columns = ", ".join(connection.ops.quote_name(name) for name in returning)
    statement = f"WITH picked (id) AS MATERIALIZED ({picking}{_skip_locked()}) {updating} RETURNING {columns}"
    with connection.cursor() as cursor:
        cursor.execute(statement, [*picked_params, *update_params])
        return cursor.fetchall()


def _update(model: type[models.Model], values: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """Django's own UPDATE of the picked rows; `QuerySet.update` would return their number, not which they were."""
    query: Any = model._base_manager.filter(pk__in=_PICKED).query.chain(UpdateQuery)
    query.add_update_values(values)
    sql, params = query.get_compiler(connection=connection).as_sql()
    return sql, params


def _skip_locked() -> str:
    """SQLite has one writer at a time and no locks on rows."""
    if not connection.features.has_select_for_update_skip_locked:
        return ""
    return " " + connection.ops.for_update_sql(skip_locked=True)
