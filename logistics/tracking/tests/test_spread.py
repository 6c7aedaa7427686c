"""Each parcel has a moment of its own in the rhythm, so that what became due together does not stay together."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from logistics.models import Shipment
from logistics.tests.builders import build_account, build_parcels, build_shipment
from logistics.tracking.intervals import in_phase
from logistics.tracking.run import poll_tracking
from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100

RHYTHM, FLOOR = timedelta(hours=2), timedelta(minutes=30)
PARCELS = range(1, 4001)


def next_polls(at: dict[int, datetime]) -> dict[int, datetime]:
    return {key: moment + in_phase(key, RHYTHM, floor=FLOOR, now=moment) for key, moment in at.items()}


def test_an_import_spreads_over_the_rhythm() -> None:
    at = dict.fromkeys(PARCELS, timezone.now())
    for _round in range(3):
        later = next_polls(at)
        gaps = [later[key] - at[key] for key in PARCELS]
        assert min(gaps) >= FLOOR
        assert max(gaps) <= RHYTHM
        at = later

    assert {round((moment - at[key]) / RHYTHM, 6) for key, moment in next_polls(at).items()} == {1}
    in_ten_minutes = Counter(int(moment.timestamp() % 7200 // 600) for moment in at.values())
    assert len(in_ten_minutes) == 12
    assert max(in_ten_minutes.values()) < 2 * min(in_ten_minutes.values())


def test_a_rhythm_near_the_floor_is_left_alone() -> None:
    assert {in_phase(key, FLOOR, floor=FLOOR) for key in PARCELS} == {FLOOR}
    assert {in_phase(key, RHYTHM, floor=RHYTHM * 2 / 3) for key in PARCELS} == {RHYTHM}


@pytest.mark.django_db
def test_polled_together_then_apart(carrier: FakeKuaidi100) -> None:
    build_account(carrier.url, floor=1800)
    build_parcels(12, build_shipment(), prefix="A")

    assert poll_tracking().answered == 13

    pauses = [row.next_check_at - row.last_checked_at for row in Shipment.objects.all()]  # type: ignore[operator]
    assert len({round(pause / timedelta(minutes=1)) for pause in pauses}) > 6
    assert FLOOR <= min(pauses) <= max(pauses) <= RHYTHM
