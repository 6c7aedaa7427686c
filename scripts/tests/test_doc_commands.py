"""Every command in the pages of `docs/` is run here as it is written, or stands in a list with the reason why not."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts import packages
from scripts.env_file import ROOT
from scripts.processes import free_port, kill_family, wait_until
from scripts.services import Postgres, ServiceError, new_folder, start_postgres
from scripts.services.server import program
from scripts.tests.doc_commands import commands, page, variables
from scripts.tests.test_kept_out import tracked

# What a test may not, or cannot, do: the beginning of the command and the reason.
NOT_RUN = {
    "docker ": "needs Docker; the services of compose.yaml are run as processes by ordersite/tests/deployment",
    "sudo apt-get ": "changes the machine",
    "sudo git ": "needs the address of a repository",
    "sudo useradd ": "changes the machine",
    "cd ": "the folder of the test stands for it",
    "sudo sh scripts/venv.sh ": "installs from the package registry; every `make` begins with it",
    "sudo chown ": "needs the user that was not made",
    "sudo nginx ": "reads the machine's own /etc/nginx; the file is tried with Debian's nginx by its own test",
    "sudo systemctl ": "needs systemd",
    "systemctl ": "needs systemd",
    "journalctl ": "needs systemd",
    ".venv/bin/pip install ": "installs from the package registry; the package is among those of the tests",
    ".venv/bin/python manage.py setup$": "asks questions; ordersite/installation/tests/test_setup.py answers them",
}
# Programs that stay: started, seen alive beside each other, ended.
SERVICES = re.compile(r"^(?:SERVES=notify PORT=8001 )?deploy/web\.sh$|bin/celery |work --standby$")
# The checks say what is still missing of this installation: no proxy, no processes, no mail. Nothing is known of the order.
MAY_FAIL = re.compile(r"check_setup$|diagnose \S+ --json$")
OWNER = "postgres://ordersite_owner:OWNER_PASSWORD@127.0.0.1:5432/ordersite"
# A person who typed a wrong password and has a second step.
LOCKED_OUT = """
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.test import RequestFactory
from ordersite.tests.person import build_authenticator
authenticate(RequestFactory().post("/"), username="finance1", password="wrong")
build_authenticator(User.objects.get(username="finance1"))
"""
# Rows of these come with the first work by the clock.
LATER = {
    "ordersite_clock_age_seconds",
    "ordersite_clock_skew_seconds",
    "ordersite_attempts_last_5_minutes",
}
PLAN_ACCOUNT = {"provider": "webhook", "slug": "my-bank", "file": "my-bank.json"}


def reason_of(command: str) -> str:
    """Why a command is not run; empty where it is."""
    found = (
        why
        for beginning, why in NOT_RUN.items()
        if command.startswith(beginning) or command + "$" == beginning
    )
    return next(found, "")


def is_missing(command: str) -> bool:
    """Two small programs that not every machine has."""
    return command.split()[0] in {"openssl", "curl"} and not shutil.which(command.split()[0])


def test_every_reason_has_its_command() -> None:
    used = {reason_of(command) for command in commands()}
    assert set(NOT_RUN.values()) - used == set()
    assert len([command for command in commands() if not reason_of(command)]) > 30


@dataclass(slots=True)
class Reader:
    """Somebody who follows the pages in a copy of the repository, with a PostgreSQL server of their own."""

    folder: Path
    postgres: Postgres
    ports: dict[str, str]
    output: str = ""
    token_hint: str = ""
    ran: list[str] = field(default_factory=list)

    @property
    def place(self) -> Path:
        return self.folder / "ordersite"

    @property
    def environment(self) -> dict[str, str]:
        tools = {Path(program(name)).parent for name in ("psql", "pg_dump")}
        path = os.pathsep.join([*map(str, tools), str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        server = {"PGHOST": "127.0.0.1", "PGPORT": str(self.postgres.port), "PGUSER": "postgres"}
        return {**kept, **server, "PATH": path, "PYTHONUNBUFFERED": "1"}

    def here(self, text: str) -> str:
        """What is written in the pages, with the places of this test."""
        text = re.sub(r"^sudo (-u postgres )?", "", text)
        places = {
            "@127.0.0.1:5432": f"@127.0.0.1:{self.postgres.port}",
            "/var/backups/ordersite": str(self.folder / "backups"),
            "/var/lib/ordersite": str(self.folder / "var"),
            "/var/log/nginx": str(self.folder),
            "/etc/nginx/conf.d": str(self.folder),
            "/etc/systemd/system": str(self.folder / "units"),
            ":8000": f":{self.ports['web']}",
            "PORT=8001": f"PORT={self.ports['notify']}",
            "BEGINNING": self.token_hint,
        }
        for written, meant in places.items():
            text = text.replace(written, meant)
        return text

    def run(self, command: str, **variables: str) -> None:
        done = subprocess.run(
            self.here(command), shell=True, cwd=self.place, env=self.environment | variables,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.output = done.stdout
        self.ran.append(command)
        allowed = {0, 1} if MAY_FAIL.search(command) else {0}
        assert done.returncode in allowed, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"

    def migrate(self) -> None:
        """What ordersite-migrate.service runs."""
        self.run(".venv/bin/python manage.py migrate --no-input", DATABASE_MIGRATION_URL=self.here(OWNER))
        self.ran.pop()

    def set_variables(self, **own: str) -> None:
        """Write what the page says into `.env`."""
        wanted = {**variables("install-systemd"), **variables("monitoring"), **own}
        wanted.pop("DATABASE_MIGRATION_URL")
        file = self.place / ".env"
        lines = file.read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in wanted]
        said = [f"{name}={self.here(value)}" for name, value in wanted.items()]
        file.write_text("\n".join([*kept, *said]) + "\n")

    def write_files(self) -> None:
        """What a reader writes by hand: a plan, an account's file, a line in the proxy's log."""
        (self.place / "my-bank.json").write_text(json.dumps({"secret": "whsec_" + "QUFB" * 8}))
        (self.folder / "ordersite.json.log").write_text("")

    def edit_plan(self) -> None:
        file = self.place / "plan.json"
        plan = json.loads(file.read_text())
        file.write_text(json.dumps({**plan, "payment_accounts": [PLAN_ACCOUNT], "carrier_accounts": []}))


@contextlib.contextmanager
def reading() -> Iterator[Reader]:
    folder = new_folder("docs")
    try:
        postgres = start_postgres(folder / "postgres")
    except (ServiceError, packages.NotAllowed) as reason:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"needs PostgreSQL: {reason}")
    reader = Reader(folder, postgres, {name: str(free_port()) for name in ("web", "notify")})
    try:
        for name in tracked():
            (reader.place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, reader.place / name)
        (reader.place / ".venv").symlink_to(Path(sys.prefix))
        for path in (ROOT / "locale").rglob("*.mo"):
            shutil.copy(path, reader.place / path.relative_to(ROOT))
        for name in ("backups", "units", "var/private", "var/anchors"):
            (folder / name).mkdir(parents=True)
        yield reader
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def is_up(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def services_of(reader: Reader, written: list[str]) -> Iterator[None]:
    """All of them at once, as in an installation; none may end by itself."""
    started = {}
    try:
        for number, command in enumerate(written):
            with (reader.folder / f"service-{number}.log").open("wb") as log:
                started[command] = subprocess.Popen(
                    ["sh", "-c", f"exec env {reader.here(command)}"],
                    cwd=reader.place, env=reader.environment | {"PORT": reader.ports["web"]},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        ports = reader.ports.values()
        assert wait_until(lambda: all(map(is_up, ports)), 90), _said(reader)
        yield
        assert [command for command, process in started.items() if process.poll() is not None] == [], _said(
            reader
        )
        reader.ran += written
    finally:
        for process in started.values():
            kill_family(process.pid)
            process.wait(20)


def _said(reader: Reader) -> str:
    return "\n".join(path.read_text(errors="replace")[-1500:] for path in reader.folder.glob("service-*.log"))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_commands_work_as_they_are_written() -> None:
    """Given a fresh copy, a reader goes through all pages and is stuck nowhere."""
    written = [one for one in commands() if not reason_of(one) and not is_missing(one)]
    services = [one for one in written if SERVICES.search(one)]
    questions = [one for one in written if one.startswith("curl ")]  # need a web process
    with reading() as reader:
        reader.write_files()
        for command in written:
            if command not in (*services, *questions):
                follow(reader, command)
        with services_of(reader, services):
            for command in questions:
                reader.run(command)
                said = reader.output if "metrics" in command else ""
                assert not said or named_metrics() - LATER <= set(
                    re.findall(r"^(ordersite_\w+)", said, re.MULTILINE)
                )
        assert set(written) == set(reader.ran)


def follow(reader: Reader, command: str) -> None:
    """Run it, and do what the page says beside it."""
    if command == "sudo python3 -m scripts.new_keys":
        (reader.place / ".env").unlink()  # the page about compose made one
    if "release_login" in command:
        reader.run(f".venv/bin/python manage.py shell --no-imports -c '{LOCKED_OUT}'")
        reader.ran.pop()
    reader.run(command)
    if command == "sudo python3 -m scripts.new_keys":
        reader.set_variables(CELERY_BROKER_URL="", REDIS_URL="", PUBLIC_BASE_URL="http://127.0.0.1:8000")
    elif command.startswith(("sudo cp ", "pg_restore ")):
        reader.migrate()
    elif "--example" in command:
        reader.edit_plan()
    elif "add_api_client" in command:
        reader.token_hint = reader.output.split()[-1][:6]


def named_metrics() -> set[str]:
    return set(re.findall(r"ordersite_\w+(?=\{)", page("en", "monitoring").read_text(encoding="utf-8")))
