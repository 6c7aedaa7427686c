"""Prepared statements for the hottest paths: PostgreSQL parses and plans each once for a connection.

Django's own cursors write the values into the text and let the server parse and plan it each time. For a creation of
an order that was three quarters of the server's work (see docs/decisions). Every value goes as text with its type
named in the statement (`%s::bigint`): a statement whose values change their type would be prepared again.

Prepared statements live in a connection of the server. A pooler in transaction mode hands out another one each time,
so behind a pooler they are sent unprepared, unless DATABASE_PREPARED_STATEMENTS says that it knows them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from types import NoneType
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, models

from ordersite.database import reconnect


class _Cursor(psycopg.RawCursor[Any]):
    """Takes `%s` like all others, and numbers the places once: the driver would look for them at every call."""

    def execute(self, query: Any, params: Any = None, **_options: Any) -> _Cursor:
        try:
            return super().execute(_numbered(query), params, prepare=_prepares(self.connection))
        finally:
            self._query: Any = _Logged(self.connection, query, params)


@dataclass(frozen=True, slots=True)
class _Logged:
    """Gives Django's query log the statement with its values written into the text."""

    connection: psycopg.Connection[Any]
    sql: str
    params: Sequence[str | None]

    @property
    def query(self) -> bytes:
        return psycopg.ClientCursor(self.connection).mogrify(self.sql, self.params).encode()


@lru_cache(maxsize=64)
def _numbered(sql: str) -> str:
    first, *rest = sql.split("%s")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def fetch_one(sql: str, params: Sequence[str | None]) -> tuple[Any, ...] | None:
    """Run a statement and return its first row, if any; database errors are Django's own."""
    connection.close_if_health_check_failed()
    return _fetch_one(sql, params)


def look_up(sql: str, params: Sequence[str | None]) -> tuple[Any, ...] | None:
    """Run the first read of a request and return its first row; a dead kept connection is replaced."""
    return reconnect.first_of_request(partial(_fetch_one, sql, params))


def _fetch_one(sql: str, params: Sequence[str | None]) -> tuple[Any, ...] | None:
    with _cursor() as cursor:
        cursor.execute(sql, params)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _cursor() -> Any:
    """Return a cursor that prepares its statements on PostgreSQL; wrappers and logs see them as usual."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        # Django switches preparing off; only these cursors do it, its own write their values into the text.
        connection.connection.prepare_threshold = 1 if _prepares(connection.connection) else None
        raw = _Cursor(connection.connection)
    return connection._prepare_cursor(raw)  # type: ignore[attr-defined]


def _prepares(raw: Any) -> bool:
    """Whether this connection prepares statements. Asked once for each connection, by one round trip or none."""
    if raw.prepares is None:
        raw.prepares = _decided() if _decided() is not None else not is_pooled(raw)
    return bool(raw.prepares)


def _decided() -> bool | None:
    return {"on": True, "off": False}.get(settings.DATABASE_PREPARED_STATEMENTS)


def is_pooled(raw: psycopg.Connection[Any]) -> bool:
    """Whether something stands between this connection and the server: a pooler gives the client a number of its own."""
    row = raw.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != raw.info.backend_pid


def is_broken_by_pooler() -> bool:
    """Whether statements shall be prepared through a pooler that does not know it. Raises django.db.Error.

    Two connections prepare a statement of the same name; a pooler that passes them on runs into the first one's.
    """
    if connection.vendor != "postgresql" or _decided() is not True:
        return False
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if not is_pooled(connection.connection):
            return False
        return not all(_can_prepare(connection.get_connection_params()) for _ in range(2))


def _can_prepare(parameters: Mapping[str, Any]) -> bool:
    own = {name: value for name, value in parameters.items() if name != "cursor_factory"}
    with psycopg.connect(**{**own, "prepare_threshold": 1}, autocommit=True) as raw:
        try:
            for _ in range(2):
                raw.execute("SELECT %s::text", ["x"], prepare=True)
        except (psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName):
            return False
    return True


_WRITE: dict[type, Callable[[Any], str | None]] = {
    str: lambda value: value,
    bool: lambda value: "t" if value else "f",
    int: str,
    datetime: datetime.isoformat,
    NoneType: lambda _value: None,
}


def parameter(field: models.Field[Any, Any], value: Any) -> str | None:
    """Convert a field's value to the text that a prepared statement takes."""
    if isinstance(field, models.JSONField):
        return None if value is None else json.dumps(value, cls=field.encoder)
    write = _WRITE.get(type(value))
    if write is None:  # money, members of an enumeration: the field knows what it stores
        stored = field.get_db_prep_save(value, connection)
        write = _WRITE.get(type(stored), str)
        return write(stored)
    return write(value)


class Insert:
    """`INSERT INTO … SELECT …` of one row of a model, as a part of a larger statement.

    `given` names the columns for which the statement itself finds the value: attribute → SQL expression over
    `source`. A primary key that is not among them is left to the database.
    """

    def __init__(
        self,
        model: type[models.Model],
        *,
        source: str,
        given: Mapping[str, str] | None = None,
        tail: str = "",
    ) -> None:
        self._model, self._source, self._tail = model, source, tail
        self._given = dict(given or {})
        fields = model._meta.concrete_fields
        self._fields = [f for f in fields if not f.primary_key or f.attname in self._given]
        self._from_row = [(f, f.attname) for f in self._fields if f.attname not in self._given]

    def sql(self) -> str:
        quote = connection.ops.quote_name
        columns = ", ".join(quote(str(field.column)) for field in self._fields)
        values = ", ".join(self._given.get(field.attname) or f"%s::{cast(field)}" for field in self._fields)
        table = quote(self._model._meta.db_table)
        return f"INSERT INTO {table} ({columns}) SELECT {values} FROM {self._source} {self._tail}"

    def params(self, row: object) -> list[str | None]:
        """Return the parameters of a row: any object with the attributes that are not given."""
        return [parameter(field, getattr(row, name)) for field, name in self._from_row]


def cast(field: models.Field[Any, Any]) -> str:
    """Return the PostgreSQL type of a field's values; a serial column holds integers."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return str(target.cast_db_type(connection))
