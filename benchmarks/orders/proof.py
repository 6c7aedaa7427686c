"""B7: verify a history of 3 M lines (30 M with BENCH_FULL=1), beside reading the same lines and nothing else.

The filled database is kept on a server that BENCH_DATABASE_URL names, and used again while the migrations are the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from benchmarks.harness.base import Context, Result, measured
from benchmarks.harness.databases import Server
from benchmarks.harness.forked import run_forked
from benchmarks.rows import chains
from orders.history.verify import CHUNK, verify_history
from orders.models import OrderEvent

LINES, FULL_LINES = 3_000_000, 30_000_000
# Of a line and its share of order and indexes; a copy of the database takes as much again while it is made.
BYTES_OF_A_LINE = 1_200
MOST_MEGABYTES = 200
# Hashing a line in Python costs some forty times what reading it does; a whole-table sort would cost more with each line.
MOST_RATIO = 60.0
# Its seals must be readable in the next run, whose other keys are fresh.
_SEAL_KEYS = {"bench": b"the same in every run, of no secret"}


def run(context: Context) -> list[Result]:
    count = FULL_LINES if os.environ.get("BENCH_FULL") == "1" else LINES
    if problem := _lack_of_disk(count):
        print(f"B7 is not measured: {problem}", file=sys.stderr)
        return [Result("B7", f"verify {count:,} lines: {problem}", 0.0, "s", goal="measured", met=False)]
    settings.HISTORY_SEAL_KEYS = _SEAL_KEYS
    _provide(Server(context.database_url), count)
    with measured() as floor:
        read = run_forked(_read)
    with measured() as watch:
        proof = run_forked(verify_history)
    if (read.result, proof.result.lines, proof.result.unsealed) != (count, count, 0):
        raise RuntimeError(f"{read.result} lines were read, {proof.result} verified")
    ratio = round(proof.seconds / read.seconds, 2)
    scaled = proof.seconds * FULL_LINES / count
    return [
        Result(
            "B7", f"verify {count:,} lines of history", round(proof.seconds, 1), "s", floor=round(read.seconds, 1),
            ratio=ratio, goal=f"<= {MOST_RATIO:.0f} x", met=ratio <= MOST_RATIO,
            foreign_cpu=max(watch.foreign_cpu, floor.foreign_cpu),
        ),
        Result("B7", f"the same for {FULL_LINES:,} lines, scaled", round(scaled / 60, 1), "min"),
        Result(
            "B7", "memory of the verifying process at its highest", round(proof.megabytes, 1), "MB",
            goal=f"< {MOST_MEGABYTES} MB", met=proof.megabytes < MOST_MEGABYTES, foreign_cpu=watch.foreign_cpu,
        ),
    ]  # fmt: skip


def _lack_of_disk(count: int) -> str:
    """Say what is missing, or return nothing; a server on another machine is not looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        folder = Path(cursor.fetchone()[0])
    if not folder.is_dir():
        return ""
    free, needed = shutil.disk_usage(folder).free, 2 * count * BYTES_OF_A_LINE
    return "" if free >= needed else f"{needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free"


def _provide(server: Server, count: int) -> None:
    """Connect to the kept database of so many lines; fill one where there is none."""
    applied = sorted(map(str, MigrationRecorder(connection).applied_migrations()))
    name = f"ordersite_bench_history_{count}_{hashlib.sha256(''.join(applied).encode()).hexdigest()[:8]}"
    with psycopg.connect(server.at("postgres"), autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            chains.build_chains(count)
            source = sql.Identifier(str(connection.settings_dict["NAME"]))
            connections.close_all()
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source))
    connections.close_all()
    connection.settings_dict["NAME"] = name


def _read() -> int:
    after = count = 0
    rows = OrderEvent.objects.order_by("id").values_list("id", "hash")
    while chunk := list(rows.filter(id__gt=after)[:CHUNK]):
        after, count = chunk[-1][0], count + len(chunk)
    return count
