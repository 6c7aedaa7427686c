"""Write many rows with one statement: `unnest` on PostgreSQL, `VALUES` on SQLite.

`bulk_create` and `bulk_update` reach 440 to 2,300 orders a second through the paying door, one statement over
arrays 2,500 to 4,600 and more (see docs/decisions); the doors therefore write through here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from django.db import connection, connections, models

from ordersite.database import arrays

_SQLITE_VARIABLES = 30_000  # SQLite takes 32,766 in one statement


@lru_cache(maxsize=256)
def _fields(model: type[models.Model], names: tuple[str, ...]) -> tuple[models.Field[Any, Any], ...]:
    return tuple(model._meta.get_field(name) for name in names)  # type: ignore[misc]


@lru_cache(maxsize=256)
def _insertable(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.name for field in model._meta.concrete_fields if not field.primary_key)


def _quote(name: str | None) -> str:
    return str(connection.ops.quote_name(str(name)))


def _columns(fields: Sequence[models.Field[Any, Any]], rows: Sequence[Any]) -> list[list[Any]]:
    return [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows] for field in fields
    ]


def _array_columns(fields: Sequence[models.Field[Any, Any]], rows: Sequence[Any]) -> list[str | list[Any]]:
    database = connections[connection.alias]
    return [arrays.column(field, rows, database) for field in fields]


@lru_cache(maxsize=256)
def _arrays(fields: tuple[models.Field[Any, Any], ...]) -> str:
    return ", ".join(f"%s::{_cast(field)}[]" for field in fields)


def _cast(field: models.Field[Any, Any]) -> str:
    """Return the type to which an array of this field's values is cast; serial types have no arrays."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return str(target.cast_db_type(connection))


@lru_cache(maxsize=64)
def _insert_head(model: type[models.Model]) -> str:
    names = ", ".join(_quote(field.column) for field in _fields(model, _insertable(model)))
    return f"INSERT INTO {_quote(model._meta.db_table)} ({names}) "


@lru_cache(maxsize=64)
def _insert_tail(model: type[models.Model], ignore_conflicts: bool, returning: tuple[str, ...]) -> str:
    tail = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    if returning:
        tail += " RETURNING " + ", ".join(_quote(field.column) for field in _fields(model, returning))
    return tail


def insert_rows(
    model: type[models.Model],
    rows: Sequence[Any],
    *,
    ignore_conflicts: bool = False,
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Insert all rows with one statement and return the `returning` columns of those that were inserted.

    A row is any object with attributes for all columns but the key: a model, or something lighter.
    Callers that ignore conflicts sort the rows by the conflicting key first: unsorted ones deadlock.
    """
    if not rows:
        return []
    fields = _fields(model, _insertable(model))
    head = _insert_head(model)
    tail = _insert_tail(model, ignore_conflicts, tuple(returning))
    if connection.vendor == "postgresql":
        return _run(
            head + f"SELECT * FROM unnest({_arrays(fields)})" + tail,
            _array_columns(fields, rows),
            bool(returning),
        )
    found: list[tuple[Any, ...]] = []
    size = _SQLITE_VARIABLES // len(fields)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        values = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * len(part))
        flat = [value for row in zip(*_columns(fields, part), strict=True) for value in row]
        found += _run(f"{head}VALUES {values}{tail}", flat, bool(returning))
    return found


_waiting: ContextVar[list[tuple[str, list[Any]]] | None] = ContextVar("waiting", default=None)


@contextmanager
def together() -> Iterator[None]:
    """Send the inserts of this block that return nothing at its end, in one round trip (on PostgreSQL).

    For the transaction of a single order: its many small statements spent a third of their time on the network.
    """
    waiting: list[tuple[str, list[Any]]] = []
    token = _waiting.set(waiting if connection.vendor == "postgresql" else None)
    try:
        yield
    finally:
        _waiting.reset(token)
    if waiting:
        with connection.cursor() as cursor:
            cursor.execute(
                "; ".join(sql for sql, _params in waiting), [p for _sql, ps in waiting for p in ps]
            )


def run_later(sql: str, params: list[Any]) -> None:
    """A statement that returns nothing, like the inserts here."""
    _run(sql, params, fetch=False)


def _run(sql: str, params: list[Any], fetch: bool) -> list[tuple[Any, ...]]:
    if not fetch and (waiting := _waiting.get()) is not None:
        waiting.append((sql, params))
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if fetch else []


def update_rows(
    model: type[models.Model],
    rows: Sequence[Any],
    names: Sequence[str],
    *,
    guard: Mapping[str, Any] | None = None,
) -> int:
    """Write the named fields of all rows with one UPDATE by primary key; returns how many rows were changed.

    A row is any object with these attributes. `guard` names columns that must still have the given
    value. Two rows with one key would apply one, silently: callers pass each row once.
    """
    if not rows:
        return 0
    fields = (model._meta.pk, *_fields(model, tuple(names)))
    table = _quote(model._meta.db_table)
    guards = _fields(model, tuple(guard or ()))
    condition = "".join(f" AND {table}.{_quote(field.column)} = %s" for field in guards)
    guard_values = [f.get_db_prep_save((guard or {})[f.name], connection) for f in guards]
    if connection.vendor == "postgresql":
        sets = ", ".join(f"{_quote(f.column)} = v.c{i}" for i, f in enumerate(fields) if i)
        source = ", ".join(f"c{i}" for i in range(len(fields)))
        sql = (
            f"UPDATE {table} SET {sets} FROM unnest({_arrays(fields)}) AS v({source}) "
            f"WHERE {table}.{_quote(fields[0].column)} = v.c0{condition}"
        )
        return _count(sql, [*_array_columns(fields, rows), *guard_values])
    sets = ", ".join(f"{_quote(f.column)} = v.column{i + 1}" for i, f in enumerate(fields) if i)
    changed = 0
    size = _SQLITE_VARIABLES // len(fields)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        values = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * len(part))
        flat = [value for row in zip(*_columns(fields, part), strict=True) for value in row]
        sql = (
            f"UPDATE {table} SET {sets} FROM (VALUES {values}) AS v "
            f"WHERE {table}.{_quote(fields[0].column)} = v.column1{condition}"
        )
        changed += _count(sql, [*flat, *guard_values])
    return changed


def _count(sql: str, params: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
