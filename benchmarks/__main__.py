"""`python -m benchmarks [B1 B3 …]`: run the benchmarks, print a table and write JSON.

Each is measured beside its floor: the same effect with as little work as possible.

`ONLY=B1,B3` in the environment also selects some. `BENCH_DATABASE_URL` (or TEST_DATABASE_URL, or DATABASE_URL) is a
PostgreSQL server on which databases may be made and dropped; `BENCH_RUNS` (3) is how often each is measured and
`BENCH_ORDERS` (1000000) how many orders the list of B5 has. `BENCH_FULL=1` verifies 30 million lines in B7, not 3 million.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import machine
from benchmarks.harness.databases import ROOT, Server

MODULES = {
    "B1": "notifications.intake",
    "B1w": "notifications.intake_wechatpay",
    "B2": "notifications.drain",
    "B2w": "notifications.drain_wechatpay",
    "B3": "orders.creation",
    "B4": "orders.closing",
    "B5": "orders.lists",
    "B6": "statements.matching",
    "B7": "orders.proof",
    "B8": "parcels.polling",
    "B9": "notifications.push_intake",
    "B10": "dispatch.routing",
    "B11": "automation.rules",
}
RESULTS = Path(__file__).resolve().parent / "results"


def wanted(arguments: list[str]) -> list[str]:
    """Return the ids to run. Raises SystemExit for an unknown id."""
    spelled = {name.upper(): name for name in MODULES}
    named = [
        spelled.get(word.upper(), word)
        for item in (arguments or [os.environ.get("ONLY", "")])
        for word in item.split(",")
        if word
    ]
    if unknown := [word for word in named if word not in MODULES]:
        raise SystemExit(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(MODULES)}")
    return named or list(MODULES)


def server() -> Server:
    names = ("BENCH_DATABASE_URL", "TEST_DATABASE_URL", "DATABASE_URL")
    url = next((os.environ[name] for name in names if os.environ.get(name, "").startswith("postgres")), "")
    if not url:
        raise SystemExit(f"the benchmarks need a PostgreSQL server: set {names[0]}")
    return Server(url)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the measured processes: fresh keys, few log lines."""
    return {
        "SECRET_KEY": secrets.token_hex(32),
        "FIELD_ENCRYPTION_KEYS": f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "HISTORY_ANCHOR_DIR": str(folder / "anchors"),
        "LOG_LEVEL": "ERROR",
        "DEBUG": "false",
        "OUTGOING_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }


def run_one(name: str, url: str, env: dict[str, str], folder: Path) -> list[dict[str, Any]]:
    """Run one benchmark in a process of its own and return its results. A failing one stops the run."""
    output = folder / f"{name}.json"
    runs = os.environ.get("BENCH_RUNS", "3")
    subprocess.run(
        [sys.executable, "-m", "benchmarks.harness.child", name, str(output), str(folder), runs],
        cwd=ROOT,
        env={**os.environ, **env, "DATABASE_URL": url},
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(output.read_text(encoding="utf-8"))
    return found


def table(results: list[dict[str, Any]]) -> str:
    """Format the results as an aligned table."""
    heads = ("id", "name", "value", "unit", "floor", "ratio", "goal", "met", "foreign_cpu")
    rows = [heads, *(tuple(_cell(result[head]) for head in heads) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def main() -> int:
    names = wanted(sys.argv[1:])
    host = server()
    report: dict[str, Any] = {
        "machine": {**machine.describe(), "postgresql": host.durability()},
        "results": [],
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        env = environment(Path(scratch))
        host.make_template(env)
        for name in names:
            print(f"{name} {MODULES[name]} …", file=sys.stderr, flush=True)
            report["results"] += run_one(MODULES[name], host.copy(), env, Path(scratch))
        host.clean()
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(report["results"]))
    print(f"written to {path.relative_to(ROOT)}", file=sys.stderr)
    return 0 if all(result["met"] is not False for result in report["results"]) else 1


if __name__ == "__main__":
    sys.exit(main())
