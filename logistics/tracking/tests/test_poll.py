"""Polling: what is due and nothing else, the floor, the lane, the breaker, and two pollers at once."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.accounts import lanes as all_lanes
from logistics.models import CarrierAccount, Shipment, TrackingEvent
from logistics.tests.builders import build_account, build_paid, build_shipment
from logistics.tracking import throttle
from logistics.tracking.poll import Counts, Refresh, poll_soon, poll_tracking, refresh_now
from orders.models import Order
from orders.tests.builders import build_merchant

NOW = "2026-11-02 10:00:00"
BUSY = {"result": False, "returnCode": "502", "message": "服务器繁忙"}


class Carrier:
    """Kuaidi100 over real HTTP: answers by number, remembers what it was asked."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/query.do")
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.pause = 0.0
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        server.expect_request("/query.do", method="POST").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        param = json.loads(parse_qs(request.get_data(as_text=True))["param"][0])
        with self._lock:
            self.asked.append(param)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.pause)
        with self._lock:
            self.at_once -= 1
        answer = self.answers.get(param["num"]) or story(param["num"], ("0", "1002", "运输中"))
        return Response(json.dumps(answer), content_type="application/json")

    @property
    def numbers(self) -> list[str]:
        return [param["num"] for param in self.asked]


def story(number: str, *steps: tuple[str, str, str]) -> dict[str, Any]:
    data = [
        {"ftime": f"2026-11-02 10:{minute:02}:00", "context": text, "statusCode": code, "location": "杭州市"}
        for minute, (_state, code, text) in enumerate(steps)
    ]
    return {"status": "200", "message": "ok", "nu": number, "state": steps[-1][0], "data": data[::-1]}


@pytest.fixture
def carrier(httpserver: HTTPServer) -> Carrier:
    return Carrier(httpserver)


def refusal(code: str) -> dict[str, Any]:
    return {"result": False, "returnCode": code, "message": "不行"}


def reload(parcel: Shipment) -> Shipment:
    return Shipment.objects.get(pk=parcel.pk)


@pytest.mark.django_db
def test_a_due_parcel_is_asked_for_and_rests_afterwards(carrier: Carrier) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    after = reload(parcel)
    assert (after.status, after.tracking_status, after.checks, after.leased_until) == (
        "moving",
        "in_transit",
        1,
        None,
    )
    assert after.next_check_at is not None
    assert after.last_checked_at is not None
    assert after.next_check_at - after.last_checked_at == timedelta(hours=2)
    assert poll_tracking() == Counts()
    assert carrier.numbers == [parcel.tracking_number]


@pytest.mark.django_db
def test_signed_for_completes_the_order_and_ends_the_asking(carrier: Carrier) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.answers[parcel.tracking_number] = story(
        parcel.tracking_number, ("1", "103", "揽收"), ("3", "301", "签收")
    )
    assert poll_tracking() == Counts(asked=1, answered=1, new_events=2, delivered=1, completed=1)
    assert Order.objects.get().status == "completed"
    assert reload(parcel).next_check_at is None


@pytest.mark.django_db
def test_important_customers_come_first(carrier: Carrier) -> None:
    build_account(carrier.url)
    plain, important = build_shipment(), build_shipment()
    Shipment.objects.filter(pk=important.pk).update(is_important=True)
    poll_tracking()
    assert carrier.numbers == [important.tracking_number, plain.tracking_number]


@pytest.mark.django_db
def test_the_question_bears_the_receivers_last_four_digits(carrier: Carrier) -> None:
    build_account(carrier.url)
    parcel = build_shipment(carrier="sf", number="SF1234567890123")
    poll_tracking()
    assert (carrier.asked[0]["com"], carrier.asked[0]["phone"]) == ("shunfeng", "8000")
    assert reload(parcel).last_problem == ""


@pytest.mark.django_db
def test_only_the_merchants_own_account_asks(carrier: Carrier) -> None:
    other = build_merchant("other")
    build_account(carrier.url, merchant=other)
    build_shipment()
    assert poll_tracking() == Counts()
    assert carrier.asked == []
    parcel = build_shipment(order=build_paid(merchant=other))
    poll_tracking()
    assert carrier.numbers == [parcel.tracking_number]


@pytest.mark.django_db
def test_a_disabled_account_asks_nobody(carrier: Carrier) -> None:
    build_account(carrier.url)
    CarrierAccount.objects.update(is_active=False)
    parcel = build_shipment()
    assert poll_tracking() == Counts()
    assert refresh_now(parcel) == Refresh("no_account")


@pytest.mark.django_db
def test_nothing_found_yet_is_an_answer(carrier: Carrier) -> None:
    account = build_account(carrier.url)
    parcel = build_shipment()
    carrier.answers[parcel.tracking_number] = refusal("500")
    assert poll_tracking() == Counts(asked=1, answered=1)
    after = reload(parcel)
    assert (after.last_problem, after.check_failures, after.status) == (
        "nothing_found: 500 不行",
        0,
        "shipped",
    )
    account.refresh_from_db()
    assert account.failures_in_a_row == 0


@pytest.mark.django_db
def test_a_wrong_phone_is_not_asked_for_every_two_hours(carrier: Carrier) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.answers[parcel.tracking_number] = refusal("408")
    assert poll_tracking() == Counts(asked=1, failed=1)
    after = reload(parcel)
    assert after.last_problem.startswith("phone_needed")
    assert after.next_check_at is not None
    assert timedelta(hours=23) < after.next_check_at - timezone.now() <= timedelta(hours=24)


@pytest.mark.django_db
def test_five_failures_rest_the_account_and_one_success_wakes_it(carrier: Carrier) -> None:
    account = build_account(carrier.url)
    parcels = [build_shipment() for _ in range(7)]
    carrier.answers.update({parcel.tracking_number: BUSY for parcel in parcels})
    assert poll_tracking() == Counts(asked=5, failed=5)
    account.refresh_from_db()
    assert account.failures_in_a_row == 5
    assert account.resting_until is not None
    assert account.resting_until > timezone.now()
    assert poll_tracking() == Counts()
    assert refresh_now(parcels[6]).code == "resting"
    assert len(carrier.asked) == 5
    CarrierAccount.objects.update(resting_until=timezone.now())
    carrier.answers.clear()
    assert poll_tracking() == Counts(asked=2, answered=2, new_events=2)
    awake = CarrierAccount.objects.get()
    assert (awake.failures_in_a_row, awake.resting_until) == (0, None)


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "problem"), [("503", "misconfigured"), ("601", "out_of_funds")])
def test_an_unusable_account_ends_the_run(carrier: Carrier, code: str, problem: str) -> None:
    account = build_account(carrier.url)
    parcels = [build_shipment() for _ in range(3)]
    carrier.answers.update({parcel.tracking_number: refusal(code) for parcel in parcels})
    assert poll_tracking() == Counts(asked=1, failed=1)
    account.refresh_from_db()
    assert account.resting_until is not None
    assert account.resting_until > timezone.now() + timedelta(minutes=9)
    assert [reload(parcel).last_problem.partition(":")[0] for parcel in parcels] == [problem, "", ""]


@pytest.mark.django_db
def test_one_account_that_rests_does_not_hold_up_another(carrier: Carrier) -> None:
    other = build_merchant("other")
    build_account(carrier.url)
    build_account(carrier.url, merchant=other, slug="k200")
    stuck = build_shipment()
    carrier.answers[stuck.tracking_number] = refusal("503")
    free = build_shipment(order=build_paid(merchant=other))
    poll_tracking()
    assert (reload(stuck).status, reload(free).status) == ("shipped", "moving")


@pytest.mark.django_db
def test_a_poison_answer_stops_nobody_else(carrier: Carrier) -> None:
    build_account(carrier.url)
    bad, good = build_shipment(), build_shipment()
    # Written by another version: this one cannot read it.
    TrackingEvent.objects.create(
        shipment=bad, at=timezone.now(), status="no_such_status", text="?", text_digest="x"
    )
    assert poll_tracking() == Counts(asked=2, answered=1, failed=1, new_events=1)
    assert reload(bad).last_problem.startswith("fault: ")
    assert (reload(bad).check_failures, reload(good).status) == (1, "moving")


# --- The floor --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_floor_holds_for_buttons_and_for_the_clock(carrier: Carrier) -> None:
    build_account(carrier.url, floor=3600)
    parcel = build_shipment()
    counts = Counts()
    first = refresh_now(parcel, counts=counts)
    asked_at = reload(parcel).last_asked_at
    assert asked_at is not None
    assert first == Refresh("refreshed", asked_at + timedelta(hours=1))
    assert refresh_now(parcel, counts=counts) == Refresh("too_soon", asked_at + timedelta(hours=1))
    Shipment.objects.update(next_check_at=timezone.now())
    assert poll_tracking() == Counts()
    assert poll_soon([reload(parcel)]) == 0
    assert counts == Counts(asked=1, answered=1, new_events=1, too_soon=1)
    Shipment.objects.update(last_asked_at=timezone.now() - timedelta(hours=1))
    assert poll_tracking() == Counts(asked=1, answered=1)
    assert len(carrier.asked) == 2


@pytest.mark.django_db
def test_a_strangers_click_only_moves_the_parcel_forward(carrier: Carrier) -> None:
    build_account(carrier.url, floor=3600)
    parcel = build_shipment()
    later = timezone.now() + timedelta(hours=1)
    Shipment.objects.update(next_check_at=later, last_asked_at=timezone.now() - timedelta(hours=2))
    assert poll_soon([reload(parcel)]) == 1
    assert carrier.asked == []
    after = reload(parcel)
    assert after.next_check_at is not None
    assert after.next_check_at <= timezone.now()
    assert poll_tracking().asked == 1


@pytest.mark.django_db
def test_what_has_arrived_is_not_asked_for(carrier: Carrier) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    carrier.answers[parcel.tracking_number] = story(parcel.tracking_number, ("3", "301", "签收"))
    refresh_now(parcel)
    assert refresh_now(reload(parcel)) == Refresh("arrived")
    assert poll_soon([reload(parcel)]) == 0
    assert len(carrier.asked) == 1


# --- The command ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_polls_what_is_due_or_the_numbers_given(carrier: Carrier) -> None:
    build_account(carrier.url, floor=3600)
    parcel = build_shipment(number="YT1234567890123")
    out, err = StringIO(), StringIO()
    call_command("poll_tracking", "--json", stdout=out)
    assert json.loads(out.getvalue()) == Counts(asked=1, answered=1, new_events=1).as_dict()
    out = StringIO()
    call_command(
        "poll_tracking", "--number", "yt 1234567890123", "NO0000000", "--json", stdout=out, stderr=err
    )
    assert json.loads(out.getvalue()) == Counts(too_soon=1, unknown=1).as_dict()
    assert carrier.numbers == [parcel.tracking_number]
    out = StringIO()
    call_command("poll_tracking", "--due", stdout=out)
    assert out.getvalue().startswith("asked 0, answered 0, ")


@pytest.mark.django_db
def test_a_run_without_time_leaves_the_rest_for_the_next(carrier: Carrier) -> None:
    build_account(carrier.url)
    for _ in range(3):
        build_shipment()
    assert poll_tracking(seconds=0) == Counts()
    assert poll_tracking().asked == 3


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_next_parcel_is_found_by_index_among_many_under_way(carrier: Carrier) -> None:
    build_account(carrier.url)
    model = build_shipment()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO logistics_shipment (order_id, merchant_id, warehouse_id, carrier, tracking_number, status, "
            "tracking_status, shipped_at, created_at, is_important, next_check_at, checks, check_failures, last_problem, "
            "origin_city, current_city, destination_city) SELECT order_id, merchant_id, warehouse_id, carrier, 'Q' || n, "
            "status, tracking_status, shipped_at, created_at, n %% 10 = 0, now() + interval '1 hour', 0, 0, '', '', '', '' "
            "FROM logistics_shipment, generate_series(1, 20000) n WHERE id = %s",
            [model.pk],
        )
        cursor.execute("ANALYZE logistics_shipment")
    with CaptureQueriesContext(connection) as queries:
        assert throttle.claim_next(all_lanes()[0], floor=timedelta(0)) == model
    claims = [query["sql"] for query in queries if query["sql"].startswith("WITH picked")]
    assert len(claims) == 2
    for sql in claims:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "shipment_to_check" in plan
        assert "Seq Scan" not in plan


# --- Two pollers ------------------------------------------------------------------------------------------------


def poll_at_once(count: int) -> list[Counts]:
    results: list[Counts] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        try:
            barrier.wait(10)
            results.append(poll_tracking())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_pollers_never_ask_for_one_parcel_twice_nor_one_account_at_once(carrier: Carrier) -> None:
    build_account(carrier.url)
    carrier.pause = 0.02
    parcels = [build_shipment() for _ in range(15)]
    counted = poll_at_once(3)
    assert sum(counts.asked for counts in counted) == 15
    assert sorted(carrier.numbers) == sorted(parcel.tracking_number for parcel in parcels)
    assert carrier.most_at_once == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_without_the_claim_two_pollers_ask_twice(carrier: Carrier) -> None:
    """The race itself: both read the due parcel before either marks it."""
    build_account(carrier.url)
    build_shipment()
    seen, read = [], threading.Barrier(2)

    def poll_unguarded() -> None:
        try:
            parcel = Shipment.objects.filter(next_check_at__lte=timezone.now()).first()
            read.wait(10)
            seen.append(parcel)
        finally:
            connection.close()

    threads = [threading.Thread(target=poll_unguarded) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len([parcel for parcel in seen if parcel is not None]) == 2


@pytest.mark.django_db
def test_a_dead_pollers_lane_and_parcel_are_taken_over(carrier: Carrier) -> None:
    build_account(carrier.url)
    parcel = build_shipment()
    lane = all_lanes()[0]
    assert throttle.take(lane.account)
    assert throttle.claim_next(lane, floor=timedelta(0)) == parcel
    assert poll_tracking() == Counts()
    past = timezone.now() - timedelta(seconds=1)
    CarrierAccount.objects.update(lane_leased_until=past)
    Shipment.objects.update(leased_until=past)
    assert poll_tracking() == Counts(asked=1, answered=1, new_events=1)
    assert not throttle.keep(lane.account)
