"""Sends what waits, by the clock and when woken: several accounts side by side, each by one process at a time."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db import connection
from django.db.models import OuterRef
from django.utils import timezone

from ordersite.database.one_writer import SQLITE_PAUSE_SECONDS
from ordersite.messaging.models import BuyerMessage
from ordersite.messaging.routes import sender_of
from ordersite.messaging.sending.account_run import ACCOUNTS, AccountSending, throttle_of
from ordersite.messaging.sending.reroute import reroute

SECONDS_A_RUN = 10.0
THREADS = 16
# An account whose rate lets it go on this soon is waited for.
_SOON = timedelta(seconds=1)
_GATHER_SECONDS, _SOON_PAUSE = 0.02, 0.05


def send_messages(*, seconds: float = SECONDS_A_RUN) -> int:
    """Send what is due for at most about `seconds`; returns the number of attempts."""
    until, tried = time.monotonic() + seconds, 0
    runs: dict[int, AccountSending] = {}
    reroute()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="messages") as pool:
        while True:
            # What an ended batch left for another account, or for a new token, is looked for at once.
            goes_on = _begin(runs, pool) if time.monotonic() < until else False
            for run in list(runs.values()):
                run.step(pool)
                if not run.futures:
                    run.release()
                    goes_on = goes_on or bool(run.tried)
                    tried += run.tried
                    del runs[run.account.pk]
            _breathe()
            futures = [one for run in runs.values() for one in run.futures]
            if futures:
                wait(futures, timeout=1.0, return_when=FIRST_COMPLETED)
                wait(futures, timeout=_GATHER_SECONDS)
            elif goes_on and time.monotonic() < until:
                time.sleep(_SOON_PAUSE)
            else:
                return tried


def _begin(runs: dict[int, AccountSending], pool: ThreadPoolExecutor) -> bool:
    """Begin at accounts that may send now; return whether there is work now or soon."""
    now = timezone.now()
    due = BuyerMessage.objects.due(now).filter(account=OuterRef("pk"))
    is_soon = False
    for account in ACCOUNTS.ready(due, before=now + _SOON):
        sender = sender_of(account)
        if sender is None or account.pk in runs or not account.is_active:
            continue
        is_soon = True
        throttle = throttle_of(sender)
        if len(runs) < THREADS // 2 and (lease := throttle.take(account)):
            run = AccountSending(sender, throttle, lease)
            runs[account.pk] = run
            run.begin(pool)
    return is_soon


def _breathe() -> None:
    if connection.vendor == "sqlite":
        time.sleep(SQLITE_PAUSE_SECONDS)
