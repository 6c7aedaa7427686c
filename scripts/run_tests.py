"""`make test`: find the servers, run every test on PostgreSQL and again on SQLite, and say what was not run.

`--long` runs the tests that take minutes instead. Other arguments go to pytest (`make test ARGS="-x orders"`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from scripts import env_file
from scripts.found import VARIABLES, Found, find, find_browser, find_program
from scripts.messages import compile_catalogues
from scripts.services import new_folder, write_description

PLUGINS = ("-p", "scripts.apart", "-p", "scripts.tally")
ALONE = ("browser", "kill", "serial")
REASONS = {
    "long": "takes minutes; `make long` runs it",
    "postgres": "needs PostgreSQL",
    "kill": "needs PostgreSQL",
    "serial": "needs PostgreSQL",
    "browser": "needs Chromium and PostgreSQL",
    "redis": "needs Redis",
    "amqp": "needs RabbitMQ",
    "nginx": "needs nginx",
}


@dataclass(frozen=True, slots=True)
class Pass:
    """One run of pytest: its name, the marks that it wants or leaves out, the variables that make it different."""

    name: str
    marks: str
    options: tuple[str, ...]
    environment: dict[str, str]


@dataclass(slots=True)
class Total:
    """All passes together, by node id."""

    done: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    failed: bool = False

    def not_run(self) -> Counter[str]:
        return Counter(reason for node, reason in self.missing.items() if node not in self.done)


@contextmanager
def found_things() -> Iterator[dict[str, Found]]:
    """Everything that tests need, said in a line each; what was started here ends here."""
    folder = new_folder("test")
    os.environ["SCRATCH_DIR"] = str(folder)  # whatever a test leaves goes with the run
    things: dict[str, Found] = {}
    try:
        for kind in VARIABLES:
            things[kind] = find(kind, folder)
            print(things[kind].line, flush=True)
        things["browser"] = find_browser()
        print(things["browser"].line, flush=True)
        things["nginx"] = find_program("nginx", "nginx", "nginx")
        print(things["nginx"].line, flush=True)
        write_description(folder / "services.json", [t.started for t in things.values() if t.started])
        os.environ["ORDERSITE_TEST_SERVICES"] = str(folder / "services.json")
        yield things
    finally:
        for thing in things.values():
            if thing.started:
                thing.started.stop()
        shutil.rmtree(folder, ignore_errors=True)


def base_environment(things: dict[str, Found]) -> dict[str, str]:
    """Neither a developer's `.env` nor variables of a running shop colour the tests."""
    emptied = dict.fromkeys(env_file.names(), "")
    kept = {name: os.environ[name] for name in os.environ if name not in emptied}
    found = {variable: things[kind].url for kind, variable in VARIABLES.items() if things[kind].url}
    return {
        **kept,
        **emptied,
        **env_file.new_values(),
        **found,
        "TEST_CHROMIUM": things["browser"].url,
        "METRICS_TOKEN": "",
    }


def own_database(url: str) -> str:
    """The same server, with a database name of ours: Django puts `test_` before it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path="/ordersite")) if parts.path in ("", "/", "/postgres") else url


def absent(things: dict[str, Found]) -> list[str]:
    """Marks that cannot be served here."""
    return [kind for kind, thing in things.items() if not thing.url]


def passes(things: dict[str, Found]) -> list[Pass]:
    """What `make test` runs, in order; without PostgreSQL only the SQLite pass is left."""
    left_out = ["long", *absent(things)]
    parallel = ("-n", "2", "--dist", "worksteal")
    on_sqlite = _without(*ALONE, "postgres", *left_out)
    if not things["postgres"].url:
        return [Pass("SQLite", on_sqlite, parallel, {})]
    servers = on_servers(things)
    alone = f"({' or '.join(ALONE)}) and {_without(*left_out)}"
    return [
        Pass("PostgreSQL", _without(*ALONE, *left_out), parallel, servers),
        Pass("PostgreSQL, one at a time", alone, (), servers),
        Pass("SQLite, what uses a database", on_sqlite, (*parallel, "-p", "scripts.with_database"), {}),
    ]


def long_passes(things: dict[str, Found]) -> list[Pass]:
    if not things["postgres"].url:
        return []
    marks = " and ".join(["long", *([_without(*absent(things))] if absent(things) else [])])
    return [Pass("long", marks, ("-o", "timeout=3600"), on_servers(things))]


def on_servers(things: dict[str, Found]) -> dict[str, str]:
    return {
        "DATABASE_URL": own_database(things["postgres"].url),
        "REDIS_URL": things["redis"].url,
        "CELERY_BROKER_URL": things["amqp"].url,
    }


def _without(*marks: str) -> str:
    return f"not ({' or '.join(dict.fromkeys(marks))})"


def run_pass(one: Pass, environment: dict[str, str], arguments: list[str], total: Total) -> None:
    """Run pytest once and add its results."""
    folder = new_folder("pass")
    (folder / "var").mkdir()
    print(f"\n-- {one.name}", flush=True)
    started = time.monotonic()
    own = {"TEST_TALLY": str(folder), "VAR_DIR": str(folder / "var")}
    variables = {**environment, **own, **one.environment}
    command = [sys.executable, "-m", "pytest", "-q", *PLUGINS, "-m", one.marks]
    status = subprocess.run(
        [*command, *one.options, *arguments], env=variables, stdin=subprocess.DEVNULL, check=False
    ).returncode
    total.failed |= status not in (0, 5)  # 5: none of the chosen tests belongs to this pass
    add_up(one.name, folder, round(time.monotonic() - started), total)
    shutil.rmtree(folder, ignore_errors=True)


def add_up(name: str, folder: Path, seconds: int, total: Total) -> None:
    counts: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        tally = json.loads(path.read_text())
        for node, (outcome, reason) in tally["outcomes"].items():
            counts[outcome] += 1
            if outcome == "skipped":
                total.missing[node] = reason
            else:
                total.done.add(node)
        for node, marks in tally["left_out"].items():
            total.missing.setdefault(node, reason_for(marks))
    given = ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "skipped"))
    total.lines.append(f"{name}: {given} in {seconds} s")


def reason_for(marks: list[str]) -> str:
    return next((reason for mark, reason in REASONS.items() if mark in marks), "left out by hand")


def report(total: Total) -> None:
    print("\n" + "\n".join(total.lines))
    not_run = total.not_run()
    print(f"not run: {not_run.total()}" + ("" if not_run else ", everything was run"))
    for reason, count in not_run.most_common():
        print(f"  {count}: {reason}")
    print("FAILED" if total.failed else "all good")


def main() -> int:
    os.chdir(env_file.ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    env_file.ensure()
    compile_catalogues()
    arguments = sys.argv[1:]
    choose = long_passes if "--long" in arguments else passes
    total = Total()
    with found_things() as things:
        environment = base_environment(things)
        for one in choose(things):
            run_pass(one, environment, [word for word in arguments if word != "--long"], total)
    report(total)
    return 1 if total.failed or not total.done else 0


if __name__ == "__main__":
    sys.exit(main())
