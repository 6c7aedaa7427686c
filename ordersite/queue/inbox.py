"""Stores calls of outside machines: one SQL statement per call, durable when it returns, limited to STORE_MILLISECONDS.

PostgreSQL inserts the rows and their raw call in one statement and leaves existing rows unchanged. SQLite allows no
INSERT inside WITH and uses a short transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.database import reconnect
from ordersite.database.busy_timeout import busy_timeout
from ordersite.queue.models import LOCKED_LEASE, QueueRow

# Fail within a second: the caller retries, and a success after its time-out would be worth nothing.
STORE_MILLISECONDS = 800
# The whole call, on this side: a frozen server enforces no limit of its own.
ANSWER_SECONDS = 0.88


class CheckResult(models.TextChoices):
    """What the check of a stored call itself came to, before anything is applied."""

    VERIFIED = "verified", _("signature good")
    REJECTED = "rejected", _("signature bad")


M = TypeVar("M", bound=models.Model)


class InboxQuerySet(models.QuerySet[M]):
    """Queries of stored calls."""

    def verified(self) -> Self:
        """Calls whose signature was good."""
        return self.filter(check_result=CheckResult.VERIFIED)

    def rejected(self) -> Self:
        """Calls that failed a check of the call itself: signature, time, account."""
        return self.filter(check_result=CheckResult.REJECTED)

    def waiting(self) -> Self:
        """Calls that have not been applied yet."""
        return self.filter(done_at__isnull=True)


class InboxRow(QueueRow):
    """What a call of an outside machine says, and the queue entry of applying it.

    Uniqueness holds among verified rows only: a forged call never takes the place of the genuine one. A rejected row has
    `done_at` from the start: it is never applied.
    """

    CheckResult = CheckResult
    lease = LOCKED_LEASE

    check_result = models.CharField(_("signature check"), max_length=10, choices=CheckResult.choices)
    reject_code = models.CharField(_("rejected because"), max_length=30, default="", blank=True)
    body_digest = models.CharField(max_length=64)
    remote_address = models.CharField(_("from"), max_length=45, default="", blank=True)
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    answered_ms = models.PositiveIntegerField(_("answered in (ms)"), default=0)

    class Meta:
        abstract = True

    @property
    def is_verified(self) -> bool:
        """Whether its signature was good."""
        return self.check_result == CheckResult.VERIFIED

    @property
    def is_rejected(self) -> bool:
        """Whether it failed a check of the call itself."""
        return self.check_result == CheckResult.REJECTED

    @property
    def is_waiting(self) -> bool:
        """Whether it has not been applied yet."""
        return self.done_at is None


class RawCall(models.Model):
    """The received headers and raw body of a call. Pages mask credentials and personal data.

    `sealed_body` is encrypted with the key `key_id` and opens in its own place only; an empty `key_id` is a body in
    clear, of a version that did not encrypt.
    """

    SEALED: ClassVar[tuple[str, ...]] = ("sealed_body",)

    headers = models.JSONField(default=dict)
    sealed_body = models.BinaryField(db_column="body")
    key_id = models.CharField(max_length=32, default="", db_default="", blank=True)

    class Meta:
        abstract = True

    @property
    def body(self) -> bytes:
        """The body as it was received. Raises `CannotDecrypt`."""
        sealed = bytes(self.sealed_body)
        if not self.key_id:
            return sealed
        return settings.KEY_RING.open_bytes(self.key_id, sealed, bound_to=self.place)

    @body.setter
    def body(self, body: bytes) -> None:
        """Seal this body in its place; not saved."""
        self.key_id, self.sealed_body = settings.KEY_RING.seal_bytes(body, bound_to=self.place)

    def reseal(self) -> dict[str, Any]:
        """Seal anew what is sealed, with the first key; returns the columns to save. Raises `CannotDecrypt`."""
        self.body = self.body
        return {"key_id": self.key_id, "sealed_body": self.sealed_body}

    @property
    def place(self) -> str:
        """What the body is bound to."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call ready for its INSERT: rows of values in the order of the inbox's fields, and the columns of the raw call."""

    rows: Sequence[tuple[Any, ...]]
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Inbox:
    """Two tables: the rows that wait to be applied, with `fields`, and the raw calls, with `raw_columns`.

    A raw call has the primary key of the first row that its call made. `fields` leave out `attempts` and `last_error`,
    which the statement itself sets.
    """

    model: type[QueueRow]
    fields: tuple[str, ...]
    raw_model: type[models.Model]
    raw_columns: tuple[str, ...]

    def store(self, call: StoredCall) -> bool:
        """Store a call; return False when all its rows were stored before. Raises django.db.Error."""
        if connection.vendor == "postgresql":
            return reconnect.first_of_request(partial(self._store_at_once, call))
        with busy_timeout(STORE_MILLISECONDS), transaction.atomic():
            return self._store_in_transaction(call)

    def _store_at_once(self, call: StoredCall) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                _one_statement(self, len(call.rows)), [*_adapted(call.rows), *self._raw_values(call)]
            )
            cursor.nextset()  # past SET LOCAL, which holds for this statement alone
            return cursor.fetchone() is not None

    def _store_in_transaction(self, call: StoredCall) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_insert_rows(self, len(call.rows)), _adapted(call.rows))
            row = cursor.fetchone()
            cursor.fetchall()  # SQLite inserts the other rows while their keys are read
            if row is not None:
                cursor.execute(_insert_raw(self), [row[0], *self._raw_values(call)])
        return row is not None

    def _raw_values(self, call: StoredCall) -> list[Any]:
        values = (call.raw[name] for name in self.raw_columns)
        return [json.dumps(value) if isinstance(value, dict) else value for value in values]


@cache
def _one_statement(inbox: Inbox, rows: int) -> str:
    limit = f"SET LOCAL statement_timeout = {STORE_MILLISECONDS}"
    columns = _raw_columns(inbox)
    marks = ", ".join("%s::jsonb" if name == "headers" else "%s" for name in inbox.raw_columns)
    raw = f"INSERT INTO {inbox.raw_model._meta.db_table} ({columns}) SELECT id, {marks} FROM n LIMIT 1 RETURNING 1"
    return f"{limit}; WITH n AS ({_insert_rows(inbox, rows)}) {raw}"


@cache
def _insert_rows(inbox: Inbox, rows: int) -> str:
    columns_of = {field.attname: str(field.column) for field in inbox.model._meta.concrete_fields}
    columns = ", ".join(columns_of[name] for name in inbox.fields)
    row = f"(0, '', {', '.join(['%s'] * len(inbox.fields))})"
    return (
        f"INSERT INTO {inbox.model._meta.db_table} (attempts, last_error, {columns}) "
        f"VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING RETURNING id"
    )


def _insert_raw(inbox: Inbox) -> str:
    marks = ", ".join(["%s"] * (len(inbox.raw_columns) + 1))
    return f"INSERT INTO {inbox.raw_model._meta.db_table} ({_raw_columns(inbox)}) VALUES ({marks})"


def _raw_columns(inbox: Inbox) -> str:
    columns_of = {field.attname: str(field.column) for field in inbox.raw_model._meta.concrete_fields}
    return ", ".join(
        [str(inbox.raw_model._meta.pk.column), *(columns_of[name] for name in inbox.raw_columns)]
    )


def _adapted(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(value) if isinstance(value, datetime) else value for row in rows for value in row]
