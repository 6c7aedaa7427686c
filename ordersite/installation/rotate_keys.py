"""Seals what is stored with an older key again with the first one, so that the old key may leave the environment.

Every row is opened, sealed and written back by itself, and only if nobody wrote it meanwhile, so that the shop goes on.
The seals over the history are no secrets and stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Model, QuerySet

from logistics.models import CarrierAccount, PushBody, Warehouse
from orders.models import ChangeRequest
from ordersite.lib.crypto import CannotDecrypt, key_id_of
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.messaging.models import MessageAccount
from ordersite.outside_accounts.secrets import place_of
from ordersite.people.models import Authenticator, place_of_key
from payments.models import NotificationBody, PaymentAccount

BATCH = 500


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed texts. `place`: what the text of a row is bound to."""

    model: type[Model]
    name: str
    place: Callable[[Any], str]


def _of_account(row: Any) -> str:
    return place_of(row._meta.db_table, row.slug)


def _of_warehouse(row: Warehouse) -> str:
    return place_of(row._meta.db_table, row.sealed_to)


def _of_token(row: MessageAccount) -> str:
    return row.token_place


def _of_request(row: ChangeRequest) -> str:
    return place_of(row._meta.db_table, row.subject)


def _of_person(row: Authenticator) -> str:
    return place_of_key(row.user_id)


TEXTS = (
    SealedColumn(PaymentAccount, "sealed_secrets", _of_account),
    SealedColumn(CarrierAccount, "sealed_secrets", _of_account),
    SealedColumn(Warehouse, "sealed_secrets", _of_warehouse),
    SealedColumn(MessageAccount, "sealed_secrets", _of_account),
    SealedColumn(MessageAccount, "sealed_token", _of_token),
    SealedColumn(WebhookEndpoint, "sealed_secrets", _of_account),
    SealedColumn(ChangeRequest, "sealed_values", _of_request),
    SealedColumn(Authenticator, "sealed_key", _of_person),
)
# Bodies have the id of their key in a column beside them.
BODIES: tuple[type[NotificationBody] | type[PushBody], ...] = (NotificationBody, PushBody)


@dataclass(slots=True)
class Rotated:
    """What became of one table. `unreadable`: rows by the id of their key, which is not in the environment or wrong."""

    table: str
    resealed: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)


def rotate_keys() -> Iterator[Rotated]:
    """Seal everything again that an older key sealed, table by table. Repeating it finds nothing left."""
    for column in TEXTS:
        yield _rotate_texts(column)
    for model in BODIES:
        yield _rotate_bodies(model)


def _rotate_texts(column: SealedColumn) -> Rotated:
    done = Rotated(column.model._meta.db_table)
    newest = settings.KEY_RING.key_ids[0]
    rows = column.model._base_manager.exclude(**{column.name: ""})
    for row in _walk(rows):
        sealed = getattr(row, column.name)
        try:
            key_id = key_id_of(sealed)
            if key_id == newest:
                continue
            text = settings.KEY_RING.open(sealed, bound_to=column.place(row))
        except CannotDecrypt:
            done.unreadable[_key_of(sealed)] += 1
            continue
        values = {column.name: settings.KEY_RING.seal(text, bound_to=column.place(row))}
        done.resealed += _write(column.model, row.pk, {column.name: sealed}, values)
    return done


def _key_of(sealed: str) -> str:
    try:
        return key_id_of(sealed)
    except CannotDecrypt:
        return "?"


def _rotate_bodies(model: type[NotificationBody] | type[PushBody]) -> Rotated:
    done = Rotated(model._meta.db_table)
    newest = settings.KEY_RING.key_ids[0]
    rows = model._base_manager.exclude(key_id__in=["", newest]).select_related("notification")
    for row in _walk(rows):
        before = {"key_id": row.key_id}
        try:
            after = row.reseal()
        except CannotDecrypt:
            done.unreadable[row.key_id] += 1
            continue
        done.resealed += _write(model, row.pk, before, after)
    return done


def _write(model: type[Model], pk: object, before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    return model._base_manager.filter(pk=pk, **before).update(**after)


def _walk(rows: QuerySet[Any]) -> Iterator[Any]:
    """All rows by primary key, BATCH at a time."""
    last: Any = None
    while batch := list((rows if last is None else rows.filter(pk__gt=last)).order_by("pk")[:BATCH]):
        yield from batch
        last = batch[-1].pk
