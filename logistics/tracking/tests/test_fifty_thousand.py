"""50,000 open parcels of four carriers, of which one answers in 5 s and one never: the others are all checked in time.

The clock is drawn together, the density is not: a slice of the parcels is due in so much less time that as many of them
are due in a second as of 50,000 in two hours. Rhythm, floor and slice shrink alike; answers, time-outs and breakers do
not. The rest of the 50,000 lies in the table: due parcels of the carrier that is down, and parcels that are not due yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from logistics.accounts import save_account
from logistics.models import CarrierAccount, CarrierCall, Shipment
from logistics.tests.builders import build_parcels, build_shipment
from orders.tests.web import environment
from sandbox.carrier.kuaidi100 import CUSTOMER, KEY
from sandbox.tests.running import Running, started

OPEN = 50_000
SLICE = int(os.environ.get("POLLED_SLICE", "2000"))
SHARES = {"sto": 4, "sf": 3, "zto": 2, "yto": 1}  # of ten
# With the two signs of a carrier's numbers and nine digits they are as long as the carrier takes them.
PREFIXES = {"sto": "1", "sf": "200", "zto": "3", "yto": "4000"}
SLOW, DOWN = "zto", "yto"
SLOW_SECONDS = 5
RHYTHM = timedelta(hours=2) * SLICE / OPEN
FLOOR = timedelta(minutes=30) * SLICE / OPEN
SECONDS = 2.5 * RHYTHM.total_seconds()
# A run that has begun, and the next one's start.
TOLERANCE = timedelta(seconds=10)
MOST_MEGABYTES, MOST_GROWTH = 250, 25
_WORKER = """
import json, re, sys, time
from pathlib import Path
import django
django.setup()
from logistics.tracking.run import poll_tracking
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    counts = poll_tracking()
    peak = re.search("VmHWM:\\\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    print(json.dumps({**counts.as_dict(), "megabytes": int(peak[1]) / 1024}), flush=True)
    if not counts.asked:
        time.sleep(1)
"""
_OTHERS = """
INSERT INTO logistics_shipment (order_id, merchant_id, warehouse_id, carrier, tracking_number, status, tracking_status,
 shipped_at, created_at, is_important, next_check_at, checks, check_failures, last_problem, origin_city, current_city,
 destination_city)
SELECT order_id, merchant_id, warehouse_id, %s, %s || lpad(n::text, 12, '0'), status, tracking_status, shipped_at,
 created_at, false, now() + %s * interval '1 hour', 0, 0, '', '', '', ''
FROM logistics_shipment, generate_series(1, %s) n WHERE id = %s
"""

pytestmark = [pytest.mark.postgres, pytest.mark.long, pytest.mark.timeout(int(SECONDS) + 900)]


@pytest.fixture
def outside(tmp_path: Any) -> Iterator[Running]:
    """Four carriers in a process of their own, of which one is slow and one takes calls without ever answering."""
    with started(tmp_path, SANDBOX_PARCEL_SECONDS="1000000") as box:
        box.control("faults", target=f"{SLOW}.query", fault="delay", value=SLOW_SECONDS, times=None)
        box.control("faults", target=f"{DOWN}.query", fault="timeout", value=60, times=None)
        yield box


def build_accounts(outside: Running, shop: Any) -> None:
    limits = {"min_interval_seconds": str(round(FLOOR.total_seconds())), "queries_per_second": "20"}
    files: dict[str, dict[str, str]] = {
        "kuaidi100": {"customer": CUSTOMER, "key": KEY, "query_url": f"{outside.url}/kuaidi100/query.do"},
        "sf": {
            "partner_id": "SANDBOXSF", "checkword": "SANDBOXSFCHECKWORD", "monthly_card": "7551234567",
            "gateway_url": f"{outside.url}/sf/std/service",
        },
        "zto": {
            "app_key": "SANDBOXZTO", "app_secret": "SANDBOXZTOSECRET", "gateway_url": f"{outside.url}/zto",
            "account_id": "sandbox", "account_password": "ZTO123",
        },
        "yto": {
            "customer_code": "SANDBOXYTO", "secret": "SANDBOXYTOSECRET", "gateway_url": f"{outside.url}/yto",
        },
    }  # fmt: skip
    for carrier, data in files.items():
        save_account(carrier, carrier=carrier, merchant=shop, data={**data, **limits})


def build_all() -> None:
    """The slice is due at once, as after an import; a tenth of all is due at the carrier that is down."""
    models = {
        "sto": build_shipment(carrier="sto", number="77300000000001"),
        "sf": build_shipment(carrier="sf", number="SF7444400043064"),
        "zto": build_shipment(carrier="zto", number="73211390619708"),
        "yto": build_shipment(carrier="yto", number="YT2111390619708"),
    }
    for carrier, share in SHARES.items():
        build_parcels(SLICE * share // 10 - 1, models[carrier], prefix=PREFIXES[carrier])
    left = OPEN - Shipment.objects.count()
    due = OPEN // 10
    with connection.cursor() as cursor:
        for prefix, count, hours in (("YT9", due, -1), ("YT8", left - due, 24)):
            cursor.execute(_OTHERS, [DOWN, prefix, hours, count, models[DOWN].pk])
        cursor.execute("VACUUM ANALYZE logistics_shipment")


def answers() -> dict[str, list[datetime]]:
    """When each parcel of the healthy carriers was answered, oldest first."""
    found = defaultdict(list)
    calls = CarrierCall.objects.filter(account__carrier__in=["kuaidi100", "sf"], result="ok").order_by("at")
    for number, at, took in calls.values_list("subject", "at", "duration_ms"):
        found[number].append(at + timedelta(milliseconds=took))
    return found


def test_all_others_are_checked_in_time(outside: Running, transactional_db: None) -> None:
    build_all()
    build_accounts(outside, Shipment.objects.all()[0].merchant)
    assert Shipment.objects.filter(next_check_at__isnull=False).count() == OPEN
    hours = RHYTHM / timedelta(hours=1)

    worker = subprocess.run(
        [sys.executable, "-c", _WORKER, str(SECONDS)],
        cwd=settings.BASE_DIR,
        env={**environment(), "TRACKING_POLL_HOURS": str(hours), "LOG_LEVEL": "CRITICAL"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=SECONDS + 300,
    )

    runs = [json.loads(line) for line in worker.stdout.splitlines()]
    healthy = set(
        Shipment.objects.filter(carrier__in=["sto", "sf"]).values_list("tracking_number", flat=True)
    )
    found = answers()
    begun = CarrierCall.objects.earliest("at").at
    ended = max(at[-1] for at in found.values())
    waits = {
        number: max(later - earlier for earlier, later in zip([begun, *at], [*at, ended], strict=True))
        for number, at in found.items()
    }
    calls = {one["target"]: one for one in outside.state["carrier_calls"]}
    results = Counter(CarrierCall.objects.values_list("account__carrier", "result"))
    measured = {
        "runs": len(runs), "last run": runs[-1], "calls": calls, "results": results.most_common(),
        "longest wait": max(waits.values()), "rhythm": RHYTHM, "floor": FLOOR,
    }  # fmt: skip
    sys.stdout.write(json.dumps(measured, default=str, indent=1))

    assert set(found) == healthy
    assert max(waits.values()) <= RHYTHM + TOLERANCE
    gaps = {target: one["least_gap"] for target, one in calls.items()}
    assert {f"{name}.query" for name in ("kuaidi100", "sf", "zto", "yto")} <= set(calls)
    assert min(gap for gap in gaps.values() if gap is not None) >= FLOOR.total_seconds()
    assert gaps["kuaidi100.query"] is not None
    slow = Shipment.objects.filter(carrier=SLOW, last_checked_at__isnull=True)
    assert not slow.exists()
    assert CarrierAccount.objects.get(carrier=DOWN).circuit != "closed"
    assert calls[f"{DOWN}.query"]["calls"] < SLICE / 10
    peaks = [run["megabytes"] for run in runs]
    assert peaks[-1] < MOST_MEGABYTES
    assert peaks[-1] - peaks[len(peaks) // 3] < MOST_GROWTH
