"""Records the statements that some work runs, and tells which of them read a big table whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.backends.signals import connection_created

_EXPLAINED = re.compile(r"\s*(SELECT|UPDATE|WITH|DELETE|INSERT)\b", re.IGNORECASE)
_NO_TABLE = re.compile(r"\s*SELECT (set_config|pg_|current_setting|nextval)")
_LOOKED_AT = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
# They hand on a row as soon as they have it, so that a LIMIT above them ends what is below; a sort reads all.
_PASSING = frozenset({"Limit", "LockRows", "Nested Loop", "Result", "Subquery Scan", "Unique"})


@dataclass(slots=True)
class Recorder:
    """Statements with parameters, each once: those that differ in numbers and times alone are the same."""

    statements: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)

    def record(self, work: Callable[[], object]) -> None:
        """Do the work and note what it runs, in this thread and in those that it starts."""

        def join(connection: Any, **_kwargs: Any) -> None:
            connection.execute_wrappers.append(self._note)

        connection_created.connect(join)
        try:
            with connection.execute_wrapper(self._note):
                work()
        finally:
            connection_created.disconnect(join)

    def _note(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        for text, own in _each(str(sql), params or ()) if not many else ():
            if _EXPLAINED.match(text) and not _NO_TABLE.match(text):
                shape = re.sub(r"(%s, )+%s", "%s…", re.sub(r"\d+", "#", text))
                words = re.sub(r"'[^']*\d[^']*'|datetime\S+|\d+", "#", str(own))
                self.statements.setdefault((shape, words if len(words) < 300 else ""), (text, own))
        return execute(sql, params, many, context)


def _each(sql: str, params: Any) -> Iterator[tuple[str, Any]]:
    """Yield the statements of one message to the server, each with its parameters."""
    if "; " not in sql:
        yield sql, params or None
        return
    for text in sql.split("; "):
        number = text.count("%s")
        yield text, params[:number]
        params = params[number:]


def whole_reads(recorder: Recorder, big: Mapping[str, int], *, most: int) -> list[str]:
    """Run every statement once more, take back what it did, and describe those that read a big table whole.

    That is: where one step of the plan looks at more than `most` rows of it, or a scan of the table must expect to.
    `big`: how many rows a table has. What a LIMIT cuts short counts as far as the planner expects to read.
    """
    found = []
    for sql, params in recorder.statements.values():
        for table, rows, how in _readings(_plan(sql, params), big):
            if rows > most:
                short = re.sub(r'SELECT ("\w+"\."\w+", )+', "SELECT … ", sql)
                found.append(f"{table}: {how}, {rows:,} rows: {short[:900]} {str(params)[:200]}")
    return sorted(set(found))


def _plan(sql: str, params: Any) -> Any:
    """Explain a statement by running it; one that a trigger or a constraint refuses is explained without."""
    for options in ("ANALYZE, TIMING OFF, FORMAT JSON", "FORMAT JSON"):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN ({options}) {sql}", params)
                plan = cursor.fetchone()[0]
                transaction.set_rollback(True)
        except DatabaseError:
            continue
        return (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    raise AssertionError(f"PostgreSQL cannot explain {sql}")


def _readings(node: Any, big: Mapping[str, int], share: float = 1.0) -> Iterator[tuple[str, int, str]]:
    """Yield each step that looks at a big table, with how many rows; `share` is the part that is asked for above."""
    kind, table = node["Node Type"], node.get("Relation Name")
    if table in big:
        rows = sum(int(node.get(name, 0)) for name in _LOOKED_AT) * int(node.get("Actual Loops", 1))
        expected = int(big[table] * share) if kind.endswith("Seq Scan") else 0
        yield table, max(rows, expected), f"{kind} {node.get('Index Name', '')} {node.get('Filter', '')}"
    for place, child in enumerate(node.get("Plans", ())):
        part = share if kind in _PASSING and place == 0 else 1.0
        if kind == "Limit":
            part *= min(1.0, node["Plan Rows"] / max(child["Plan Rows"], 1))
        yield from _readings(child, big, part)
