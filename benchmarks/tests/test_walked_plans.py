"""No page, no call and no job of the clock reads a big table whole: what they run is explained on a big database."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from benchmarks.rows.multiply import big_models, multiply
from benchmarks.tests.plans import Recorder, whole_reads
from orders.models import AttemptMark, FingerprintClaim, StaffMail
from orders.tests.calls import build_caller, order_body, post_json, post_order
from ordersite.celery import app
from ordersite.queue.models import Delivery
from ordersite.schedule import DAILY, RHYTHMS
from ordersite.tests.access import routes
from ordersite.tests.layout.pages import SEE_MOST, PageAddress, Table, addresses, clients
from ordersite.tests.layout.world import LayoutWorld, build_layout_world
from ordersite.tests.test_access import knock, read_matrix
from payments.models import Payment, PaymentQuery

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
# They read whole what they look at, as they must: every line, by ranges of ids (`test_plans` looks at these); every row
# that waits, once a minute, and a delivery is there only while it waits. A rule's dry run reads its days by ids.
WHOLE_BY_NATURE = {
    "orders.verify_history",
    "health.take_back_future_times",
    "automation.run_dry_runs",
}
# A word, an order's number, a phone, and a number of a payment or parcel.
TERMS = ("nothing-like-it", "20261122-0000-0000", "13800138000", "A1B2C3D4E5F6G7H8J9")
# Pages with a face for each state, and those that are alike for all models.
_MANY_FACES = re.compile(r"/admin/orders/order/<path:object_id>/change/|/track/.*")
_ALIKE = re.compile(r"/admin/(?!orders/order/).*/(add|delete|history)/")


@pytest.fixture
def world() -> LayoutWorld:
    """One row at least in each big table, also in those that no page shows."""
    world = build_layout_world()
    PaymentQuery.objects.create(payment=Payment.objects.latest("pk"), answer="paid")
    StaffMail.objects.create(event="x", subject_id=1, address="x@shop.test", subject="x", body="x")
    tomorrow = now() + timedelta(days=1)
    AttemptMark.objects.create(window="x", member="x", expires_at=tomorrow)
    FingerprintClaim.objects.create(fingerprint="x", member="x", expires_at=tomorrow)
    return world


@pytest.fixture
def visitors(world: LayoutWorld) -> dict[str, Client]:
    return clients(world)


@pytest.fixture
def caller(world: LayoutWorld) -> Client:
    return build_caller("demo")


def run_jobs() -> None:
    """Run everything that runs by the clock, once, while little waits."""
    app.loader.import_default_modules()
    for job in (*RHYTHMS, *DAILY):
        if job.task not in WHOLE_BY_NATURE:
            app.tasks[job.task]()


def call_api(caller: Client) -> None:
    """Create, read and cancel, with all that is refused on the way."""
    body, key = order_body(note="x"), secrets.token_hex(8)
    number = post_order(caller, body, key=key).json()["number"]
    assert post_order(caller, body, key=key).status_code == 200
    assert post_order(caller, body).status_code == 409
    for query in ({}, {"status": "pending"}, {"created_after": "2026-01-01T00:00:00Z"}):
        assert caller.get("/api/v1/orders/", query).status_code == 200
    assert caller.get(f"/api/v1/orders/{number}/").status_code == 200
    assert caller.get("/readyz").status_code == 200
    assert post_json(caller, f"/api/v1/orders/{number}/cancel/", {"reason": "x"}).status_code == 200


def wait_for(handler: str, **columns: Any) -> Delivery:
    return Delivery.objects.create(
        handler=handler, event="order.closed", subject_id=1, event_at=now(), **columns
    )


def visitor_of(route: str, table: Table) -> str:
    """Return who sees most of a page; who sees nothing is turned away before anything is read."""
    statuses = table["GET", route]
    return next((visitor for visitor in SEE_MOST if statuses[visitor] == 200), "superuser")


def walk(world: LayoutWorld, visitors: dict[str, Client], *, is_long: bool) -> None:
    """Open every address, and search each list of a big table; `is_long`: all faces of all, with filters and orders."""
    table, labels = read_matrix(), [model._meta.label_lower for model in big_models()]
    lists = {f"/admin/{label.replace('.', '/')}/" for label in labels}
    once = [PageAddress(route.text, route.path(world.values)) for route in routes()]
    faces = [one for one in addresses(world, table) if is_long or _MANY_FACES.fullmatch(one.route)]
    for address in dict.fromkeys([*once, *faces]):
        if not is_long and _ALIKE.fullmatch(address.route):
            continue
        client = visitors[visitor_of(address.route, table)]
        answer = knock(client, "GET", address.path)
        if is_long:
            knock(client, "POST", address.path)
        if address.path in lists and answer.status_code == 200:
            for query in _queries(answer, is_long=is_long):
                knock(client, "GET", address.path + query)


def _queries(answer: Any, *, is_long: bool) -> Iterator[str]:
    """Yield searches for a term of each shape, and all filters and orders that a list offers."""
    html = answer.content.decode()
    if 'name="q"' in html:
        yield from (f"?q={term}" for term in TERMS)
    if is_long:
        offered = re.findall(r'href="(\?[^"]+)"', html)
        yield from dict.fromkeys(query.replace("&amp;", "&") for query in offered)


def found_by(
    world: LayoutWorld, visitors: dict[str, Client], caller: Client, *, rows: int, most: int
) -> tuple[list[str], int]:
    recorder = Recorder()
    recorder.record(run_jobs)
    call_api(caller)
    world.values["rails.delivery"] = str(wait_for("x", parked_at=now()).pk)
    wait_for("payments.close_after_order")
    for number in range(
        8
    ):  # a handler is one of many: all rows being one's, reading the table whole would be right
        wait_for(f"other.{number}")
    big = multiply(rows)
    assert min(big.values()) > 0, f"a big table without a row to copy: {big}"
    recorder.record(lambda: call_api(caller))
    recorder.record(lambda: walk(world, visitors, is_long=rows > 100_000))
    return whole_reads(recorder, big, most=most), len(recorder.statements)


@pytest.mark.timeout(600)
def test_no_page_reads_a_big_table_whole(
    world: LayoutWorld, visitors: dict[str, Client], caller: Client
) -> None:
    found, explained = found_by(world, visitors, caller, rows=20_000, most=12_000)

    assert not found, "\n".join(found)
    assert explained > 300


@pytest.mark.long
def test_no_page_reads_a_million_rows(
    world: LayoutWorld, visitors: dict[str, Client], caller: Client
) -> None:
    """A list counts up to 10,001 rows: where a filter lets one row in thirty pass, it looks at 300,000 for them."""
    found, _explained = found_by(world, visitors, caller, rows=1_000_000, most=300_000)

    assert not found, "\n".join(found)
