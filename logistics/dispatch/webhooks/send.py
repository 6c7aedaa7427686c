"""Sends what waits to warehouses of the push form, by the clock and when woken: several warehouses side by side.

Threads do nothing but call; claims and results are written by the thread of the run. Before each try the order is locked
and judged, and that the try goes out is committed: a process that dies leaves a message that may have been taken.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone

from logistics.dispatch.webhooks.call import PostReply, post
from logistics.dispatch.webhooks.judge import Sending, judge
from logistics.dispatch.webhooks.record import record
from logistics.models import DispatchWebhook, Warehouse
from ordersite.database.skip_locked import claim_rows
from ordersite.outside_accounts.circuit import CircuitState
from ordersite.outside_accounts.throttle import Throttle
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS

SECONDS_A_RUN = 10.0
# No warehouse takes more than a quarter of the threads.
THREADS, MOST_OF_A_WAREHOUSE = 16, 4
# Much longer than a call: until it is over, nothing else about its order goes to the warehouse.
LEASE = timedelta(minutes=2)
_GATHER_SECONDS = 0.02

WAREHOUSES = Throttle(accounts=Warehouse, lease=LEASE)


def push_dispatches(*, seconds: float = SECONDS_A_RUN) -> int:
    """Send what is due for at most about `seconds`; returns the number of tries."""
    until, tried = time.monotonic() + seconds, 0
    running: dict[Future[PostReply], Sending] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="warehouses") as pool:
        while True:
            claimed = list[int]()
            if time.monotonic() < until:
                claimed = _claim(Counter(one.warehouse_id for one in running.values()))
                for sending in judge(claimed) if claimed else []:
                    running[pool.submit(post, sending.posting)] = sending
                _breathe()
            if not running:
                if not claimed:
                    return tried
                continue  # all of it was dropped, which may have made a cancellation
            done = _finished(running)
            _record([(running.pop(future), future.result()) for future in done])
            tried += len(done)


def _finished(running: dict[Future[PostReply], Sending]) -> list[Future[PostReply]]:
    """Wait for a call to end, and a moment for those that end with it: they are recorded together."""
    wait(running, return_when=FIRST_COMPLETED)
    return list(wait(running, timeout=_GATHER_SECONDS).done)


def _claim(busy: Counter[int]) -> list[int]:
    """Claim what may be sent now: of each warehouse as many as it may have at once; none where its circuit is open.

    Returns the ids of the messages.
    """
    now, ids = timezone.now(), list[int]()
    due = DispatchWebhook.objects.due(now)
    waiting = Warehouse.objects.filter(Exists(due.filter(warehouse=OuterRef("pk"))))
    for warehouse in waiting.order_by("pk"):
        most = 1 if warehouse.circuit is CircuitState.HALF_OPEN else MOST_OF_A_WAREHOUSE
        room = min(most - busy[warehouse.pk], THREADS - busy.total() - len(ids))
        if room > 0 and not warehouse.is_circuit_open:
            values = {"leased_until": now + LEASE}
            ids += [pk for (pk,) in claim_rows(due.filter(warehouse=warehouse), limit=room, values=values)]
    return ids


def _record(results: Sequence[tuple[Sending, PostReply]]) -> None:
    record(results)
    for warehouse_id in sorted({sending.warehouse_id for sending, _reply in results}):
        outages = [reply.is_outage for sending, reply in results if sending.warehouse_id == warehouse_id]
        WAREHOUSES.record_calls(warehouse_id, outages)
    _breathe()


def _breathe() -> None:
    if connection.vendor == "sqlite":
        time.sleep(SQLITE_PAUSE_SECONDS)
