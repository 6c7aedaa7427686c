"""Several numbers in one call, several calls at once where the merchant allows it, a row of the log for each number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_httpserver import HTTPServer

from logistics.accounts import save_account
from logistics.carriers import registry
from logistics.models import CarrierAccount, CarrierCall, Shipment
from logistics.tests.builders import build_account, build_parcels, build_shipment
from logistics.tracking.poll import refresh_now
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100, error_response
from logistics.tracking.tests.fake_many import ManyAtOnce, ManySide
from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError

HOUR = timedelta(hours=1)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A server that answers several calls at once."""
    with HTTPServer(threaded=True) as running:
        yield running


@pytest.fixture
def many(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> ManySide:
    """A carrier of ten numbers a call, in the registry for this test."""
    monkeypatch.setattr(registry, "CARRIERS", {**registry.CARRIERS, "yto": ManyAtOnce()})
    return ManySide(server)


def account_of(many: ManySide, **more: Any) -> CarrierAccount:
    data = {"query_url": many.url, "key": "KEY-OF-MANY", **more}
    return save_account("many", carrier="yto", merchant=build_merchant(), data=data).account


@pytest.mark.django_db
def test_ten_numbers_a_call(many: ManySide) -> None:
    account_of(many)
    build_parcels(22, build_shipment(), prefix="T")

    assert poll_tracking() == Counts(asked=23, answered=23, new_events=23)

    assert [len(call) for call in many.calls] == [10, 10, 3]
    assert set(many.asked().values()) == {1}
    assert Shipment.objects.filter(checks=1, last_problem="", leased_until=None).count() == 23


@pytest.mark.django_db
def test_each_number_has_a_result_of_its_own(many: ManySide) -> None:
    account = account_of(many)
    model = build_shipment()
    build_parcels(3, model, prefix="R")
    numbers = sorted(Shipment.objects.values_list("tracking_number", flat=True))
    many.states = dict(zip(numbers, ["nothing_found", "busy", "", "delivered"], strict=True))

    counts = poll_tracking()

    assert (counts.asked, counts.answered, counts.failed, counts.delivered) == (4, 2, 2, 1)
    problems = Shipment.objects.order_by("tracking_number").values_list("last_problem", flat=True)
    assert list(problems) == [
        "nothing_found: as the carrier says",
        "busy: as the carrier says",
        "busy: the answer leaves this number out",
        "",
    ]
    account.refresh_from_db()
    assert account.failures_in_a_row == 0


@pytest.mark.django_db
def test_one_bad_number_spoils_no_other(many: ManySide) -> None:
    account_of(many)
    build_parcels(4, build_shipment(), prefix="P")
    bad = Shipment.objects.get(tracking_number="YTP000000002")
    many.poison = {bad.tracking_number}

    assert poll_tracking().failed == 5
    Shipment.objects.update(next_check_at=bad.created_at)
    counts = poll_tracking()

    assert (counts.answered, counts.failed) == (4, 1)
    assert sorted(len(call) for call in many.calls) == [1, 1, 1, 1, 1, 5]
    waits = Shipment.objects.filter(next_check_at__gt=bad.created_at + 23 * HOUR)
    assert [parcel.pk for parcel in waits] == [bad.pk]


@pytest.mark.django_db
def test_a_row_of_the_log_for_each_number(many: ManySide) -> None:
    account_of(many)
    model = build_shipment()
    build_parcels(2, model, prefix="L")
    many.states = {model.tracking_number: "nothing_found"}

    poll_tracking()

    rows = list(CarrierCall.objects.order_by("pk"))
    orders = dict(Shipment.objects.values_list("tracking_number", "order_id"))
    assert {row.subject: row.order_id for row in rows} == orders
    assert {row.subject: row.result for row in rows if row.result != "ok"} == {
        model.tracking_number: "nothing_found"
    }
    assert [row.is_first for row in rows] == [True, False, False]
    assert [bool(row.request) for row in rows] == [True, False, False]
    assert len({row.batch for row in rows}) == 1 == len(many.calls)
    assert {row.http_status for row in rows} == {200}


@pytest.mark.django_db
def test_the_log_costs_one_statement_for_all_answers_collected(server: HTTPServer) -> None:
    carrier = FakeKuaidi100(server)
    build_account(carrier.url, queries_per_second=200)
    carrier.delay_seconds = 0.05
    build_parcels(40, build_shipment(), prefix="C")

    with CaptureQueriesContext(connection) as queries:
        assert poll_tracking().answered == 41

    inserts = [query["sql"] for query in queries if 'INTO "logistics_carriercall"' in query["sql"]]
    assert CarrierCall.objects.count() == 41
    assert len(inserts) <= 20
    # Beside more than ten statements for each parcel's route: far below a tenth of what a poll costs.
    assert len(inserts) * 20 < len(queries)


@pytest.mark.django_db
def test_failures_and_refreshes_are_logged_too(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.responses[parcel.tracking_number] = error_response("502")

    assert refresh_now(parcel).code == "busy"

    row = CarrierCall.objects.get()
    assert (row.operation, row.subject, row.order_id, row.http_status, row.result, row.detail) == (
        "query",
        parcel.tracking_number,
        parcel.order_id,
        200,
        "busy",
        "502 不行",
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("more", "most"), [({}, 1), ({"max_parallel": 6}, 6)])
def test_merchant_says_how_many_calls_at_once(many: ManySide, more: dict[str, Any], most: int) -> None:
    account_of(many, **more)
    many.delay_seconds = 0.2
    build_parcels(99, build_shipment(), prefix="M")

    assert poll_tracking().answered == 100
    assert many.most_parallel == most


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["0", "25", "many", "-1", "6.5", "٦"])
def test_impossible_numbers_of_calls_are_refused(many: ManySide, value: str) -> None:
    with pytest.raises(DomainError, match=r"max_parallel .*24") as refused:
        account_of(many, max_parallel=value)
    assert refused.value.code == "bad_account"
    assert not CarrierAccount.objects.exists()
