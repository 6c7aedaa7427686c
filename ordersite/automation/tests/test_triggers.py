"""When rules look: events of parcels, only what happened since they were switched on, by versions that stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from logistics.carriers.types import TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.tests.builders import build_shipment, event, route_of
from orders.tests.builders import build_order_in
from ordersite.automation.catalogue.triggers import OF_PARCELS
from ordersite.automation.engine.run import run_rules
from ordersite.automation.models import AutomationRule, DryRunRow, OrderTag, RuleRun, RuleVersion
from ordersite.automation.past.run import run_dry_runs, start_dry_run
from ordersite.automation.rules.switch import switch_off, switch_on
from ordersite.automation.tests.builders import build_person, build_running, look_at_dry_run, work
from ordersite.queue.relay import Delivered

pytestmark = pytest.mark.django_db


def test_a_parcels_way_wakes_rules_as_their_dry_run_says() -> None:
    rules = {name: build_running(name, name=name) for name in OF_PARCELS}
    parcel = build_shipment()
    way = route_of(
        event(0, TrackingStatus.PICKED_UP, "快件已被揽收"),
        event(60, TrackingStatus.OUT_FOR_DELIVERY, "正在派送"),
    )
    waits = route_of(*way.events, event(90, TrackingStatus.READY_FOR_PICKUP, "已到快递柜"))

    for route in (way, waits):
        apply_route(parcel, route, next_check_in=timedelta(hours=2))
    work()

    runs = RuleRun.objects.order_by("event").values_list("event", "order", "fact")
    expected = sorted(OF_PARCELS - {"shipment.delivered"})
    assert list(runs) == [(name, parcel.order_id, f"{name}:{parcel.pk}") for name in expected]
    for name in expected:
        start_dry_run(rules[name], days=7, by=build_person())
    run_dry_runs()
    assert sorted(DryRunRow.objects.values_list("fact", flat=True)) == [
        f"{name}:{parcel.pk}" for name in expected
    ]


def test_a_rule_leaves_what_happened_before_it_was_on() -> None:
    order = build_order_in("paid")
    early = Delivered(1, "order.paid", order.pk, timezone.now(), {})
    rule = build_running()

    run_rules([early])
    assert not RuleRun.objects.exists()

    switch_off(rule.pk, by=rule.owner)
    while_off = Delivered(2, "order.paid", build_order_in("paid").pk, timezone.now(), {})
    switch_on(rule.pk, by=rule.owner)
    late = Delivered(3, "order.paid", build_order_in("paid").pk, timezone.now(), {})
    run_rules([early, while_off, late])
    work()

    assert list(OrderTag.objects.values_list("order", flat=True)) == [late.subject_id]


def test_the_database_keeps_versions_as_they_were_saved() -> None:
    rule: AutomationRule = build_running()
    look_at_dry_run(rule)
    version = RuleVersion.objects.get()

    for change in (
        lambda: RuleVersion.objects.update(actions=[]),
        lambda: RuleVersion.objects.filter(pk=version.pk)._raw_delete(using="default"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()

    version.refresh_from_db()
    assert version.actions == [{"action": "tag", "params": {"tag": "大单"}}]
