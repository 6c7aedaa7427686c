"""Creating an order in one statement: the same rows as step by step, and none in uncommon cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orders import clients
from orders.history.verify import verify_history
from orders.intake import create, idempotency, one_statement
from orders.intake.drafts import OrderDraft
from orders.models import ApiClient, Buyer, IdempotencyKey, Order, OrderEvent, OrderLine
from orders.tests.builders import build_merchant
from orders.tests.calls import build_caller, build_draft, order_body, post_order
from orders.tests.web import at_once as all_at_once
from ordersite.queue.models import OutboxEntry

WRITTEN = (Buyer, Order, OrderLine, OrderEvent, OutboxEntry, IdempotencyKey)
# Random, or derived from random values.
_DIFFERENT = frozenset(
    (
        "id",
        "order_id",
        "subject_id",
        "buyer_id",
        "number",
        "tracking_token",
        "history_hash",
        "hash",
        "payload",
    )
)


def build_client() -> ApiClient:
    return clients.add_client(build_merchant(), name="test", scopes=["orders:write"])[0]


def _claim(client: ApiClient, key: str, at: datetime | None = None) -> idempotency.Claim:
    return idempotency.Claim(client.pk, key, "digest", at or timezone.now())


def _draft(**changes: Any) -> OrderDraft:
    products = ("cup-1", 'a "quoted" \\ one', "逗号, {NULL}")
    return build_draft("b", products=products, note='两行\n"字"', client_ip="203.0.113.9", **changes)


def _rows() -> dict[str, list[dict[str, Any]]]:
    """All that a creation writes, without what differs from one order to the next."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in WRITTEN:
        names = [field.attname for field in model._meta.concrete_fields if field.attname not in _DIFFERENT]
        found[model.__name__] = list(model._default_manager.order_by("pk").values(*names))
    return found


@pytest.mark.postgres
@pytest.mark.django_db
def test_same_rows_as_step_by_step() -> None:
    client, now = build_client(), timezone.now()
    with transaction.atomic():
        order = one_statement.place(_draft(), merchant=client.merchant, claim=_claim(client, "k", now))
        assert order is not None
        fast, whole = _rows(), verify_history().lines
        known = {name: getattr(order, name) for name in ("pk", "number", "buyer_id", "is_important")}
        assert known == Order.objects.values(*known).get()
        assert IdempotencyKey.objects.get().subject_id == order.pk
        transaction.set_rollback(True)
    slow = create.create_order(_draft(), merchant=client.merchant, now=now)

    IdempotencyKey.objects.create(
        client=client, key="k", body_digest="digest", created_at=now, subject_id=slow.pk
    )

    assert (fast, whole) == (_rows(), 1)
    assert [len(rows) for rows in fast.values()] == [1, 1, 3, 1, 1, 1]


@pytest.mark.postgres
@pytest.mark.django_db
def test_known_buyer_keeps_tier_and_openid() -> None:
    merchant = build_merchant()
    Buyer.objects.create(
        merchant=merchant, outside_id="b", name="old", phone="1", tier="important", openid="o"
    )

    order = one_statement.place(_draft(), merchant=merchant, claim=_claim(build_client(), "k"))

    assert order is not None
    assert (order.is_important, order.buyer.tier, order.buyer.openid) == (True, "important", "o")
    assert Order.objects.get().is_important
    assert Buyer.objects.get().name == "王小明"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("draft", "key"),
    [
        (_draft(), "twin"),
        (_draft(), "taken"),
        (_draft(confirm_duplicate=True), "confirmed"),
        (build_draft("new", discount=_draft().goods_amount), "wrong"),
    ],
    ids=["twin", "taken key", "confirmed", "wrong draft"],
)
def test_uncommon_cases_write_nothing(draft: OrderDraft, key: str) -> None:
    client = build_client()
    now = timezone.now()
    assert one_statement.place(_draft(), merchant=client.merchant, claim=_claim(client, "taken", now))
    before = _rows()
    assert one_statement.place(draft, merchant=client.merchant, claim=_claim(client, key, now)) is None
    assert _rows() == before


@pytest.mark.django_db
def test_used_key_is_reported_before_a_bad_draft() -> None:
    caller, body = build_caller(), order_body()
    post_order(caller, body, key="k")
    answer = post_order(caller, {**body, "discount": "266.40"}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert post_order(caller, {**body, "discount": "266.40"}, key="k2").status_code == 400


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_used_key_is_replayed_to_many_at_once() -> None:
    client = build_client()

    def call() -> idempotency.Created:
        draft, merchant = _draft(), client.merchant
        return idempotency.run(
            client,
            "k",
            "digest",
            lambda: create.place(draft, merchant=merchant).pk,
            lambda claim: getattr(one_statement.place(draft, merchant=merchant, claim=claim), "pk", None),
        )

    first = call()

    again = all_at_once([call] * 10)

    assert [first.replayed, *again] == [False, *[idempotency.Created(first.subject_id, replayed=True)] * 10]
    assert Order.objects.count() == 1


_SECOND_CALL = """
import json, sqlite3, sys, time
import django
django.setup()
from django.db import connection
from orders import clients, errors
from orders.intake import idempotency
from orders.models import ApiClient, IdempotencyKey, Merchant
with connection.schema_editor() as editor:
    for model in (Merchant, ApiClient, IdempotencyKey):
        editor.create_model(model)
client, _token = clients.add_client(Merchant.objects.create(slug="s", name="s"), name="c", scopes=[])
first = sqlite3.connect(sys.argv[1], isolation_level=None)
first.execute("BEGIN IMMEDIATE")
started = time.monotonic()
try:
    idempotency.run(client, "k", "d", lambda: 1)
except errors.RequestInProgress as refused:
    found = [refused.code, time.monotonic() - started, IdempotencyKey.objects.count()]
first.execute("ROLLBACK")
print(json.dumps([*found, idempotency.run(client, "k", "d", lambda: 7).subject_id]))
"""


def test_sqlite_waits_two_seconds_for_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "own.sqlite3"
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{path}", "DJANGO_SETTINGS_MODULE": "ordersite.settings"}
    run = partial(subprocess.run, capture_output=True, text=True, check=False, cwd=settings.BASE_DIR)
    ended = run([sys.executable, "-c", _SECOND_CALL, str(path)], env=env)
    assert ended.returncode == 0, ended.stderr
    code, waited, keys, made = json.loads(ended.stdout)
    assert (code, keys, made) == ("request_in_progress", 0, 7)
    assert 1.9 < waited < 5
