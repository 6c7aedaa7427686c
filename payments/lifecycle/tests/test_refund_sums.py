"""Sums of refunds in any order: the payment's sum and its rows are those of the provider's bill afterwards."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders import machine
from orders.history.lines import Evidence
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentException, Refund
from payments.providers.types import UpdateKind
from payments.refunds.tests.builders import paid_payment, requested_refund
from payments.tests.builders import yuan

pytestmark = pytest.mark.django_db
BEGAN = timezone.now() - timedelta(hours=1)


def reported(payment: Payment, number: str = "", **amounts: str) -> PaymentUpdate:
    """A notification about a refund: `total` is the sum so far, `amount` that of this one."""
    return PaymentUpdate(
        account_id=payment.account_id,
        kind=UpdateKind.REFUND,
        reference=payment.reference,
        evidence=Evidence("notification", "1", "ab"),
        seen_at=timezone.now(),
        trigger=machine.NOTIFICATION,
        refund_reference=number,
        refund_amount=yuan(amounts["amount"]) if "amount" in amounts else None,
        refunded_total=yuan(amounts["total"]) if "total" in amounts else None,
    )


def at(update: PaymentUpdate, minutes: int) -> PaymentUpdate:
    return replace(update, occurred_at=BEGAN + timedelta(minutes=minutes))


def apply(*updates: PaymentUpdate) -> list[str]:
    return [str(result.outcome.value) for result in apply_updates(updates)]


def books(payment: Payment) -> tuple[str, dict[str, str]]:
    """The payment's refunded sum, and its refunds by number."""
    rows = Refund.objects.filter(payment=payment).order_by("refund_reference")
    found = rows.values_list("refund_reference", "amount")
    payment.refresh_from_db()
    return str(payment.refunded_amount), {number: str(amount) for number, amount in found}


def test_older_sum_takes_its_part() -> None:
    payment = paid_payment(total="30.00")

    outcomes = apply(reported(payment, "RF2", total="20.00"), reported(payment, "RF1", total="10.00"))

    assert outcomes == ["refund_applied", "duplicate"]
    assert books(payment) == ("20.00", {"RF1": "10.00", "RF2": "10.00"})
    assert PaymentException.objects.get().kind == "refund_event"


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_three_sums_in_any_order(order: tuple[int, ...]) -> None:
    payment = paid_payment(total="60.00")
    refunds = [("A", "10.00"), ("B", "30.00"), ("C", "60.00")]

    for place in order:
        number, total = refunds[place]
        apply(reported(payment, number, total=total))

    assert books(payment) == ("60.00", {"A": "10.00", "B": "20.00", "C": "30.00"})
    assert payment.status == "refunded"


def test_sums_without_numbers_in_any_order() -> None:
    payment = paid_payment(total="60.00")
    for total in ("50.00", "10.00", "50.00", "10.00", "30.00"):
        apply(reported(payment, total=total))
    assert books(payment) == ("50.00", {"to 10.00": "10.00", "to 30.00": "20.00", "to 50.00": "20.00"})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_ends_like_the_bill(data: st.DataObject) -> None:
    """Some refunds have numbers and only sums, some are reported twice: the end is the same."""
    amounts = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    totals = list(itertools.accumulate(amounts))
    payment = paid_payment(total=f"{totals[-1] + data.draw(st.integers(0, 3))}.00")
    messages = [reported(payment, f"R{n}", total=f"{total}.00") for n, total in enumerate(totals)]
    twice = data.draw(st.lists(st.sampled_from(messages), max_size=3))

    for message in data.draw(st.permutations([*messages, *twice])):
        apply(message)

    bill = {f"R{n}": f"{amount}.00" for n, amount in enumerate(amounts)}
    assert books(payment) == (f"{totals[-1]}.00", bill)


def test_repeated_refund_without_a_number() -> None:
    """Two message ids, and nothing but the amount to compare: it counts once, and a person looks."""
    payment = paid_payment(total="30.00")

    outcomes = apply(reported(payment, amount="10.00"), reported(payment, amount="10.00"))

    assert outcomes == ["refund_applied", "duplicate"]
    assert books(payment) == ("10.00", {"to 10.00": "10.00"})
    assert PaymentException.objects.get().kind == "refund_event"


def test_number_comes_after_the_refund() -> None:
    payment = paid_payment(total="30.00")
    apply(reported(payment, amount="10.00"), reported(payment, "R1", amount="10.00"))
    assert books(payment) == ("10.00", {"to 10.00": "10.00"})


def test_other_amount_without_a_number_counts() -> None:
    payment = paid_payment(total="30.00")
    apply(reported(payment, amount="10.00"), reported(payment, amount="5.00"))
    assert books(payment)[0] == "15.00"


def test_bill_of_a_lost_notification() -> None:
    """The bill has the first refund with its own amount: the sum of the second one held it already."""
    payment = paid_payment(total="30.00")
    apply(at(reported(payment, "RF2", total="20.00"), 2))

    apply(replace(at(reported(payment, "RF1", amount="10.00"), 1), trigger=machine.STATEMENT))

    assert books(payment) == ("20.00", {"RF1": "10.00", "RF2": "10.00"})


def test_later_refund_of_the_bill_is_new() -> None:
    payment = paid_payment(total="30.00")
    apply(at(reported(payment, "RF2", total="20.00"), 2))

    apply(replace(at(reported(payment, "RF3", amount="10.00"), 3), trigger=machine.STATEMENT))

    assert books(payment) == ("30.00", {"RF2": "20.00", "RF3": "10.00"})


def test_own_request_inside_a_foreign_sum() -> None:
    """Our refund was made, its answer lost; then the console's sum held both, and the query confirms ours."""
    payment = paid_payment(total="100.00")
    request = requested_refund(payment, "30.00")
    type(request).objects.filter(pk=request.pk).update(ordered_at=BEGAN)
    apply(at(reported(payment, "C1", total="50.00"), 5))

    confirmed = reported(payment, request.reference, amount="30.00")
    apply(replace(confirmed, trigger=machine.QUERY))

    assert books(payment) == ("50.00", {"C1": "20.00", request.reference: "30.00"})


def test_other_amount_under_a_number() -> None:
    payment = paid_payment(total="30.00")

    outcomes = apply(reported(payment, "R1", amount="10.00"), reported(payment, "R1", amount="20.00"))

    assert outcomes == ["refund_applied", "amount_mismatch"]
    assert books(payment) == ("10.00", {"R1": "10.00"})


def test_numbers_after_the_whole_sum() -> None:
    """All went back by the answer to a query; the refunds that made it up are reported one by one afterwards."""
    payment = paid_payment(total="199.00")
    whole = replace(reported(payment), kind=UpdateKind.PAID_REFUNDED, amount=payment.amount, full_refund=True)
    apply(replace(whole, trigger=machine.QUERY, refunded_total=payment.amount))

    apply(at(reported(payment, "R1", amount="100.00"), 1), at(reported(payment, "R2", amount="99.00"), 2))

    assert books(payment) == ("199.00", {"R1": "100.00", "R2": "99.00"})
    assert sum((row.amount for row in Refund.objects.all()), Decimal(0)) == payment.amount


def test_part_refunded_and_then_closed_is_reversed() -> None:
    """What is left of the money went back with the closing, and nothing says so."""
    payment = paid_payment(total="30.00")
    apply(reported(payment, "R1", amount="10.00"))

    outcomes = apply(replace(reported(payment), kind=UpdateKind.CLOSED))

    assert outcomes == ["reversed"]


def test_stuck_refund_of_the_console_is_a_case() -> None:
    payment = paid_payment(total="30.00")

    outcomes = apply(replace(reported(payment, "C1", amount="10.00"), kind=UpdateKind.REFUND_ABNORMAL))

    case = PaymentException.objects.get()
    assert (outcomes, case.kind, case.amount) == (["refund_trouble"], "refund_trouble", yuan("10.00"))


def tomorrow() -> datetime:
    return timezone.now() + timedelta(hours=20)


def test_no_time_is_later_than_the_receipt() -> None:
    """A provider's clock that runs ahead, or a zone that was taken for another."""
    payment = paid_payment(total="30.00")
    update = replace(reported(payment, "R1", amount="10.00"), occurred_at=tomorrow())

    apply(update)

    assert Refund.objects.get().refunded_at == update.seen_at


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_bill_names_what_sums_had_raised(order: tuple[int, ...]) -> None:
    payment = paid_payment(total="60.00")
    sums = [at(reported(payment, total="10.00"), 10), at(reported(payment, total="45.00"), 30)]
    apply(sums[0])
    apply(sums[1])
    bill = [("A", "10.00", 9), ("B", "15.00", 20), ("C", "20.00", 25)]

    for place in order:
        number, amount, minute = bill[place]
        line = replace(reported(payment, number, amount=amount), trigger=machine.STATEMENT)
        apply(at(line, minute))

    total, rows = books(payment)
    assert total == "45.00"
    assert sum(map(Decimal, rows.values())) == Decimal("45.00")
    assert {"A", "B", "C"} <= set(rows)


def test_second_refund_of_one_amount_counts() -> None:
    payment = paid_payment(total="60.00")
    apply(at(reported(payment, total="10.00"), 10))

    for number in ("A", "B"):
        line = replace(reported(payment, number, amount="10.00"), trigger=machine.STATEMENT)
        apply(at(line, 12))

    assert books(payment) == ("20.00", {"A": "10.00", "B": "10.00"})


def test_sum_older_than_a_named_refund() -> None:
    """A sum was found to be one refund; ours went back; then an older one is reported with the sum of its day."""
    payment = paid_payment(total="1.50")
    apply(reported(payment, total="0.73"))
    apply(reported(payment, "A", amount="0.73", total="0.73"))
    apply(reported(payment, "OURS", amount="0.11"))

    apply(reported(payment, "B", amount="0.37", total="1.10"))

    assert books(payment) == ("1.21", {"A": "0.73", "B": "0.37", "OURS": "0.11"})
