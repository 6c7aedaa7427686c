"""What is usual is the median of the same hour of the week, with the median of the distances from it."""

from __future__ import annotations

import pytest

from orders.models import WatchLimit
from orders.monitoring.limits import Limits, limits_of
from orders.monitoring.usual import WEEK, Past, usual_of
from orders.tests.builders import build_merchant

HOUR = 500_000


def test_median_and_deviation() -> None:
    usual = usual_of([10, 12, 11, 13, 12, 200, 9, 12])

    assert (usual.orders, usual.deviation, usual.weeks) == (12, 1.4826, 8)
    assert usual.most(Limits()) == 12 + 8 * 12**0.5
    assert usual_of([400, 400]).most(Limits()) == 400 * 3


def test_small_numbers_need_more_than_chance() -> None:
    assert usual_of([1, 0, 1, 2]).most(Limits()) == 1 + 10


def test_same_hour_of_the_week_counts() -> None:
    orders = {HOUR - WEEK * back: 10 * back for back in range(1, 11)}
    past = Past(HOUR - 10 * WEEK, orders | {HOUR - 24: 999})

    usual = past.usual_in(HOUR)

    assert usual is not None
    assert (usual.orders, usual.weeks) == (45, 8)


@pytest.mark.parametrize(("age", "is_known"), [(2 * WEEK - 1, False), (2 * WEEK, True)])
def test_two_weeks_are_needed(age: int, is_known: bool) -> None:
    assert (Past(HOUR - age, {}).usual_in(HOUR) is not None) == is_known


def test_weeks_before_the_first_order_do_not_count() -> None:
    past = Past(HOUR - 3 * WEEK, {HOUR - WEEK * back: 30 for back in range(1, 4)})

    usual = past.usual_in(HOUR)

    assert usual is not None
    assert (usual.orders, usual.weeks) == (30, 3)


def test_the_busier_neighbour_counts() -> None:
    past = Past(0, {HOUR + 1 - WEEK * back: 60 for back in range(1, 9)})

    early, late = past.usual_at(HOUR * 60 + 20), past.usual_at(HOUR * 60 + 40)

    assert early is not None
    assert late is not None
    assert (early.orders, late.orders) == (0, 60)


def test_a_shop_sleeps_where_one_day_in_ten_had_orders() -> None:
    once_a_fortnight = {HOUR - 24 * back: 1 for back in range(1, 57, 14)}
    past = Past(HOUR - 8 * WEEK, once_a_fortnight)

    assert past.sleeps_at(HOUR * 60)
    assert past.days_awake(HOUR) == (4, 56)
    assert not Past(HOUR - 8 * WEEK, {HOUR - 24 * back: 1 for back in range(1, 7)}).sleeps_at(HOUR * 60)


@pytest.mark.django_db
def test_limits_are_the_narrowest_that_are_set() -> None:
    shop, other = build_merchant("a"), build_merchant("b")
    WatchLimit.objects.create(merchant=None, times_usual=4, quiet_orders=9)
    WatchLimit.objects.create(merchant=shop, times_usual=6)

    found = limits_of([shop.pk, other.pk])

    assert (found[shop.pk].times_usual, found[shop.pk].quiet_orders) == (6, 9)
    assert (found[other.pk].times_usual, found[other.pk].deviations) == (4, Limits().deviations)
