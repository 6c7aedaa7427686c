"""A whole site in processes of its own, on servers of its own: for tests that click through it or kill parts of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from honcho.environ import parse_procfile

from ordersite.tests.migrated import migrate_file, migrate_server
from scripts.env_file import ROOT, new_values
from scripts.processes import free_port, kill_family, wait_until
from scripts.web import WEB, place

BIN = Path(sys.executable).parent


def commands() -> dict[str, list[str]]:
    """The processes of the Procfile, as a test starts them."""
    celery = [str(BIN / "celery"), "-A", "ordersite"]
    work = ["worker", "--loglevel", "warning", "--without-mingle"]
    return {
        "web": [str(WEB)],
        "worker": [*celery, *work, "--queues", "ordersite", "--hostname", "worker@%h", "--concurrency", "2"],
        "outside": [
            *celery,
            *work,
            "--queues",
            "outside",
            "--hostname",
            "outside@%h",
            "--pool",
            "threads",
            "-c",
            "8",
        ],
        "beat": [*celery, "beat", "--loglevel", "warning", "--pidfile="],
        "sandbox": [sys.executable, "-m", "sandbox"],
        "clock": [sys.executable, "manage.py", "work", "--standby"],
    }


@dataclass(slots=True)
class Site:
    """Processes by name; each can be killed with its whole family and started again."""

    folder: Path
    environment: dict[str, str]
    port: int
    sandbox_port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def start(self, *names: str) -> None:
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    commands()[name],
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def start_as_deployed(self, *names: str) -> None:
        """Start programs with the commands of the Procfile, to the letter."""
        programs = parse_procfile((ROOT / "Procfile").read_text()).processes
        path = os.pathsep.join([str(BIN), self.environment["PATH"]])
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    ["sh", "-c", f"exec {programs[name]}"],
                    cwd=ROOT,
                    env={**self.environment, "PATH": path},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def kill(self, *names: str) -> None:
        """SIGKILL, as the kernel would do it."""
        for name in names:
            process = self.running.pop(name, None)
            if process is not None:
                kill_family(process.pid)
                process.wait(10)

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{arguments[0]}: {done.stdout[-500:]}{done.stderr[-1500:]}")
        return done.stdout

    def wait_until_up(self) -> None:
        if not wait_until(lambda: self._answers(f"{self.url}/healthz"), 60):
            raise RuntimeError((self.folder / "web.log").read_text()[-2000:])

    def wait_for_sandbox(self) -> None:
        if not wait_until(lambda: self._answers(f"{self.sandbox_url}/control/state"), 30):
            raise RuntimeError((self.folder / "sandbox.log").read_text()[-2000:])

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx2.get(url, timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False

    def migrate(self) -> None:
        """Make the tables of the new database."""
        url = self.environment["DATABASE_URL"]

        def run() -> None:
            self.manage("migrate", "--no-input")

        if url.startswith("postgres"):
            migrate_server(url, run)
        else:
            migrate_file(
                Path(url.removeprefix("sqlite:///") or self.folder / "var" / "ordersite.sqlite3"), run
            )

    def login(self, username: str) -> str:
        """The password that the seeding made for this person."""
        lines = (self.folder / "var" / "demo-logins.txt").read_text().splitlines()
        return next(line.split()[-1] for line in lines if line.split()[1] == username)


def environment(folder: Path, *, port: int, sandbox_port: int, servers: dict[str, str]) -> dict[str, str]:
    """Nothing of a developer's settings; keys of its own; demonstration data. `servers` are the URLs to use."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    url = f"http://127.0.0.1:{port}"
    return {
        **kept,
        **new_values(),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "CELERY_BROKER_URL": "",
        **servers,
        "VAR_DIR": str(folder / "var"),
        "SANDBOX_DIR": str(folder / "var" / "sandbox"),
        "DEMO": "true",
        **place(port),
        "SANDBOX_PORT": str(sandbox_port),
        "SANDBOX_URL": f"http://127.0.0.1:{sandbox_port}",
        "ORDERSITE_URL": url,
        "PUBLIC_BASE_URL": url,
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def whole_site(
    folder: Path, *, servers: dict[str, str], extra: dict[str, str] | None = None
) -> Iterator[Site]:
    """Tables, keys and demonstration data are made; what is started by the test is ended here."""
    (folder / "var").mkdir(parents=True)
    port, sandbox_port = free_port(), free_port()
    variables = environment(folder, port=port, sandbox_port=sandbox_port, servers=servers) | (extra or {})
    site = Site(folder, variables, port, sandbox_port)
    subprocess.run(
        [sys.executable, "-m", "sandbox", "keys"], cwd=ROOT, env=variables, check=True, capture_output=True
    )
    site.migrate()
    site.manage("seed_demo")
    try:
        yield site
    finally:
        site.kill(*list(site.running))
        shutil.rmtree(folder / "var", ignore_errors=True)


def eventually(condition: object, seconds: float, every: float = 0.5) -> bool:
    """Poll until it holds or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(every)
    return bool(condition())  # type: ignore[operator]
