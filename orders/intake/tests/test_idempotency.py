"""One key creates one order: in a row, in parallel over real HTTP, and when the process is killed."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orders import clients, errors
from orders.history.verify import verify_history
from orders.intake import create, idempotency
from orders.models import ApiClient, IdempotencyKey, Order
from orders.tests.builders import build_merchant
from orders.tests.calls import build_caller, build_draft, order_body, post_order
from orders.tests.web import at_once, environment, web_server
from ordersite.lib.errors import DomainError

one_database = pytest.mark.django_db
real_commits = pytest.mark.django_db(transaction=True)


def build_client() -> tuple[ApiClient, str]:
    return clients.add_client(build_merchant(), name="test", scopes=["orders:read", "orders:write"])


def make_order(client: ApiClient) -> int:
    return create.place(build_draft(), merchant=client.merchant).pk


@one_database
def test_repeated_call_returns_the_current_order() -> None:
    caller, body = build_caller(), order_body()
    first = post_order(caller, body, key="k")
    Order.objects.update(note="changed meanwhile")
    again = post_order(caller, body, key="k")
    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (201, False)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert (again.json()["number"], again.json()["note"]) == (first.json()["number"], "changed meanwhile")
    assert Order.objects.count() == 1


@one_database
def test_used_key_with_another_body_is_422() -> None:
    caller = build_caller()
    post_order(caller, order_body(), key="k")
    answer = post_order(caller, order_body(), key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Order.objects.count() == 1


@one_database
def test_two_clients_may_use_the_same_key() -> None:
    for caller in (build_caller(), build_caller()):
        assert post_order(caller, order_body(), key="k").status_code == 201
    assert Order.objects.count() == 2


@one_database
def test_refused_create_frees_its_key() -> None:
    caller, body = build_caller(), order_body()
    refused = post_order(caller, {**body, "discount": "999.00"}, key="k")
    assert (refused.status_code, IdempotencyKey.objects.count()) == (400, 0)
    assert post_order(caller, body, key="k").status_code == 201


@one_database
def test_key_expires_after_a_day() -> None:
    caller, body = build_caller(), order_body()
    post_order(caller, body, key="old")
    post_order(caller, order_body(), key="young")
    day_ago = timezone.now() - timedelta(hours=24, seconds=1)
    IdempotencyKey.objects.filter(key="old").update(created_at=day_ago)

    assert post_order(caller, order_body(), key="old").status_code == 201

    IdempotencyKey.objects.filter(key="old").update(created_at=day_ago)

    assert idempotency.forget_idempotency_keys() == 1
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["young"]


@pytest.mark.postgres
@real_commits
def test_race_of_claims_creates_one_order() -> None:
    client, _token = build_client()
    gate = threading.Barrier(10)

    def naive() -> None:
        known = IdempotencyKey.objects.filter(client=client, key="naive").exists()
        gate.wait(30)
        if not known:
            with transaction.atomic():
                make_order(client)
                IdempotencyKey.objects.get_or_create(
                    client=client, key="naive", defaults={"body_digest": "d"}
                )

    at_once([naive] * 10)

    assert Order.objects.count() == 10

    Order.objects.all()

    outcomes = at_once([partial(idempotency.run, client, "claimed", "d", lambda: make_order(client))] * 10)

    assert Order.objects.count() == 11
    answers = [outcome for outcome in outcomes if isinstance(outcome, idempotency.Created)]
    assert Counter(answer.replayed for answer in answers)[False] == 1
    assert len({answer.subject_id for answer in answers}) == 1
    refusals = {str(outcome.code) for outcome in outcomes if isinstance(outcome, DomainError)}
    assert refusals <= {"request_in_progress"}
    assert len(answers) + sum(isinstance(outcome, errors.RequestInProgress) for outcome in outcomes) == 10


def _call(url: str, token: str, key: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(f"{url}/api/v1/orders/", data=body, method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Idempotency-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)["number"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["code"]


@pytest.mark.postgres
@real_commits
def test_hundred_parallel_calls_over_http() -> None:
    _client, token = build_client()
    body, other = json.dumps(order_body()).encode(), json.dumps(order_body()).encode()

    with web_server() as url:
        outcomes = at_once([partial(_call, url, token, "one", body)] * 100)
        counts = Counter(outcome for outcome in outcomes if isinstance(outcome, tuple))
        number = Order.objects.get().number
        assert set(counts) <= {(201, number), (200, number), (409, "request_in_progress")}
        assert (counts[201, number], sum(counts.values())) == (1, 100)
        assert _call(url, token, "one", body) == (200, number)
        assert _call(url, token, "one", other) == (422, "idempotency_key_reused")
    assert Order.objects.count() == 1
    assert verify_history().lines == 1


_DIE = """
import os, signal, sys
import django
django.setup()
from orders.intake import create, idempotency
from orders.models import ApiClient
from orders.tests.calls import build_draft
client = ApiClient.objects.select_related("merchant").get(pk=int(sys.argv[1]))
def make():
    create.place(build_draft("victim"), merchant=client.merchant)
    os.kill(os.getpid(), signal.SIGKILL)
idempotency.run(client, "killed", "d", make)
"""


@pytest.mark.postgres
@real_commits
def test_killed_process_leaves_the_key_free() -> None:
    client, _token = build_client()

    died = subprocess.run(
        [sys.executable, "-c", _DIE, str(client.pk)], cwd=settings.BASE_DIR, env=environment(), check=False
    )

    assert died.returncode == -signal.SIGKILL
    assert (Order.objects.count(), IdempotencyKey.objects.count()) == (0, 0)

    answer = idempotency.run(
        client, "killed", "d", lambda: create.place(build_draft("victim"), merchant=client.merchant).pk
    )

    assert (answer.replayed, Order.objects.get().pk) == (False, answer.subject_id)


@pytest.mark.postgres
@real_commits
def test_two_calls_wait_and_a_third_does_not() -> None:
    client, _token = build_client()
    inside, done = threading.Event(), threading.Event()

    def slow() -> int:
        inside.set()
        done.wait(20)
        return make_order(client)

    def timed() -> tuple[str, float]:
        inside.wait(20)
        started = time.monotonic()
        with pytest.raises(errors.RequestInProgress) as refused:
            idempotency.run(client, "slow", "d", lambda: make_order(client))
        return refused.value.code, time.monotonic() - started

    def release() -> None:
        time.sleep(4)
        done.set()

    first = partial(idempotency.run, client, "slow", "d", slow)

    outcomes = at_once([first, timed, timed, timed, timed, release])

    assert isinstance(outcomes[0], idempotency.Created), outcomes

    waits = sorted(outcome[1] for outcome in outcomes[1:5] if isinstance(outcome, tuple))

    assert len(waits) == 4
    assert max(waits[:2]) < 1.0
    assert 1.8 < min(waits[2:]) <= max(waits[2:]) < 3.8
    assert Order.objects.count() == 1


@pytest.mark.postgres
@real_commits
def test_waiter_takes_over_after_a_failure() -> None:
    client, _token = build_client()
    inside = threading.Event()

    def failing() -> int:
        inside.set()
        time.sleep(0.5)
        raise errors.unknown_order("x")

    def waiting() -> idempotency.Created:
        inside.wait(20)
        return idempotency.run(client, "k", "d", lambda: make_order(client))

    outcomes = at_once([partial(idempotency.run, client, "k", "d", failing), waiting])

    assert isinstance(outcomes[0], DomainError)
    assert isinstance(outcomes[1], idempotency.Created)
    assert (outcomes[1].replayed, Order.objects.get().pk) == (False, outcomes[1].subject_id)


@one_database
@pytest.mark.parametrize("key", ["a", "k" * 255, " a ~"])
def test_printable_keys_are_accepted(key: str) -> None:
    assert idempotency.check_key(key) == key


def test_digest_covers_path_and_body() -> None:
    body = secrets.token_bytes(8)
    found = {
        idempotency.digest("/a/", body),
        idempotency.digest("/b/", body),
        idempotency.digest("/a/", body + b" "),
    }
    assert len(found) == 3
