"""Seals the history: an HMAC chain over all committed lines, its key outside the database, and a daily anchor file.

A line takes its id before its transaction commits, so a naive sealer would seal id 2 while id 1 is still missing. On
PostgreSQL the sealer therefore reads the highest id together with the snapshot's xmax, and seals up to that id once
every transaction that ran then has ended (snapshot xmin ≥ that xmax).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from orders.history.lines import microseconds
from orders.models import HistorySeal, OrderEvent
from ordersite.database import bulk

BATCH = 5_000
WAIT_SECONDS = 5.0

logger = logging.getLogger(__name__)


def seal_history(*, patience: float = WAIT_SECONDS) -> int:
    """Seal the lines below which no open transaction can still add one; returns how many. May run twice at once.

    Waits at most `patience` seconds for the transactions that are open at the start; seals nothing if they stay open.
    """
    highest = _settled_highest_id(patience)
    sealed = 0
    while highest and (count := _seal_next(highest)):
        sealed += count
    return sealed


def _settled_highest_id(patience: float) -> int:
    """The highest id below which every line is committed; 0 if a transaction stays open for `patience` seconds."""
    if connection.vendor != "postgresql":
        return OrderEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(id), 0), pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM orders_orderevent"
        )
        highest, xmax = cursor.fetchone()
        deadline = time.monotonic() + patience
        while True:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            if cursor.fetchone()[0] >= xmax:
                return int(highest)
            if time.monotonic() > deadline:
                return 0  # a long transaction is open; the next run tries again
            time.sleep(0.02)


def _seal_next(highest: int) -> int:
    """Insert the next seal over at most BATCH lines; returns how many, 0 if nothing is left or another run was first."""
    last = HistorySeal.objects.order_by("-first_id").first()
    first_id = last.last_id + 1 if last else 1
    rows = list(
        OrderEvent.objects.filter(id__gte=first_id, id__lte=highest)
        .order_by("id")
        .values_list("id", "hash")[:BATCH]
    )
    if not rows:
        return 0
    key_id, key = current_key()
    seal = HistorySeal(
        first_id=first_id,
        last_id=rows[-1][0],
        lines=len(rows),
        digest=digest_lines(rows),
        prev_mac=last.mac if last else "",
        key_id=key_id,
        sealed_at=timezone.now(),
    )
    seal.mac = compute_mac(seal, key)
    with transaction.atomic():
        inserted = bulk.insert_rows(HistorySeal, [seal], ignore_conflicts=True, returning=["id"])
    return len(rows) if inserted else 0


def digest_lines(rows: Iterable[tuple[int, str]]) -> str:
    """The SHA-256 over `id:hash` lines in the order of their ids."""
    digest = hashlib.sha256()
    for line_id, line_hash in rows:
        digest.update(f"{line_id}:{line_hash}\n".encode())
    return digest.hexdigest()


def compute_mac(seal: HistorySeal, key: bytes) -> str:
    """The HMAC-SHA256 over the seal's fields and the MAC of the seal before it."""
    parts = [
        seal.first_id,
        seal.last_id,
        seal.lines,
        seal.digest,
        seal.prev_mac,
        microseconds(seal.sealed_at),
    ]
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def current_key() -> tuple[str, bytes]:
    """The id and the key that seal: the first configured one. All configured keys verify."""
    key_id = next(iter(settings.HISTORY_SEAL_KEYS))
    return key_id, settings.HISTORY_SEAL_KEYS[key_id]


def write_anchor(*, now: datetime | None = None) -> Path | None:
    """Write the newest seal to today's anchor file, once a day; returns the file, None while there is no seal.

    An attacker who rewrites the database and its seals cannot rewrite anchors that were copied off the machine.
    """
    seal = HistorySeal.objects.order_by("-first_id").first()
    if seal is None:
        return None
    moment = now or timezone.now()
    folder = Path(settings.HISTORY_ANCHOR_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"history-{moment:%Y%m%d}.json"
    if not path.exists():
        anchor = {"seal": seal.pk, "first_id": seal.first_id, "last_id": seal.last_id, "mac": seal.mac}
        part = path.with_suffix(".part")
        part.write_text(json.dumps(anchor) + "\n", encoding="utf-8")
        part.replace(path)
        logger.info("history anchor written", extra=anchor)
    return path
