"""README's «Run it for real», taken at its word: its own commands, in an empty folder, on real servers, to a paid order."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
import uuid
from base64 import b32decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.core.management import get_commands
from django_otp.oath import TOTP

from ordersite.installation.tests.readme import HEADINGS, blocks, commands, exists, section, settings_lines
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers
from ordersite.tests.site import eventually
from scripts import env_file
from scripts.processes import free_port, kill_family
from scripts.services import Server, new_folder, start_postgres, start_rabbitmq, start_redis

# What cannot run here, by how it begins, and why.
NOT_RUN = {"sudo apt-get": "installs servers on this machine; the test has servers of its own"}
# What runs in another form: how it begins, and what stands for it.
INSTEAD = {
    # The environment is linked, not installed; the rest of the script is done.
    "sh scripts/venv.sh": ".venv/bin/python -m scripts.messages && .venv/bin/python -m scripts.static_files",
}
HOST = "shop.example.com"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PASSWORDS = {"OWNER_PASSWORD": "owners-own", "APPLICATION_PASSWORD": "applications-own"}
# The answers to the questions of `setup`, in their order; "" is Enter.
ANSWERS = (
    "2",
    *("tea", "Tea house", "", "Main warehouse"),
    *("webhook", "", "webhook.json", "", ""),
    *(text for name in ("admin", "service", "fin1", "fin2", "ops1", "ops2") for text in (name, f"{name}@{HOST}", "")),
    *("500.00", "0", "", ""),
    *("", ""),
)  # fmt: skip


def test_both_languages_have_the_same_commands() -> None:
    first, second = HEADINGS
    assert blocks(first) == blocks(second)
    assert len(commands(first)) > 10
    assert section(first).count("](") == section(second).count("](")


def test_every_command_is_there() -> None:
    """Paths, management commands and variables that the section names exist."""
    text = section("README.md")
    known = get_commands()
    named = {
        *re.findall(r"manage\.py ([a-z_]+)", text),
        *re.findall(r"manage\.py\n([a-z_]+)", text),
    }
    assert {"migrate", "setup", "check_setup", "work"} <= named
    assert sorted(named - set(known)) == []
    paths = {
        *re.findall(r"(?<![/\w])(?:deploy|scripts|docs)/[\w./-]*\w", text),
        *(name.replace(".", "/") + ".py" for name in re.findall(r"-m (scripts\.\w+)", text)),
    }
    assert {"deploy/web.sh", "scripts/new_keys.py"} <= paths
    assert sorted(path for path in paths if not exists(path)) == []
    assert sorted(settings_lines("README.md").keys() - set(env_file.names())) == []


def test_queues_are_those_of_the_procfile() -> None:
    procfile = (env_file.ROOT / "Procfile").read_text()
    pattern = r"--queues (\w+) --hostname (\S+)"
    assert re.findall(pattern, "\n".join(commands("README.md"))) == re.findall(pattern, procfile)


@dataclass(slots=True)
class Clone:
    """A fresh copy of the product, and servers for it."""

    folder: Path
    servers: dict[str, Server]
    mail: socket.socket
    port: int = field(default_factory=free_port)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of a developer's: what the product needs stands in `.env`."""
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def here(self, text: str) -> str:
        """README's text with this machine's places in it."""
        places = {
            "127.0.0.1:5432": f"127.0.0.1:{self.servers['postgres'].port}",
            "127.0.0.1:6379": f"127.0.0.1:{self.servers['redis'].port}",
            "amqp://guest:guest@127.0.0.1:5672//": self.servers["rabbitmq"].url,
            "smtp+tls://user:password@mail.example.com:587": f"smtp://127.0.0.1:{self.mail.getsockname()[1]}",
            "/var/backups/ordersite": str(self.folder.parent / "anchors"),
            "/var/log/nginx/ordersite.json.log": str(self.folder.parent / "access.log"),
            "sudo -u postgres env": "env",
            "sudo install": "install",
            "psql -d postgres": f"psql -d {self.servers['postgres'].url}",
        }
        for old, new in places.items():
            text = text.replace(old, new)
        for name, password in PASSWORDS.items():
            text = re.sub(rf"(?<=[=:]){name}\b", password, text)
        return text

    def fill_env(self) -> None:
        """As a person edits it: each line of README in place of the file's own."""
        file = self.folder / ".env"
        lines = file.read_text().splitlines()
        wanted = {**settings_lines("README.md"), "PORT": str(self.port)}
        for number, line in enumerate(lines):
            name = line.partition("=")[0]
            if name in wanted:
                lines[number] = f"{name}={self.here(wanted.pop(name))}"
        assert wanted == {}, "README names variables that the new .env lacks"
        file.write_text("\n".join([*lines, ""]))

    def run(self, command: str, typed: str = "", good: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", self.here(command)], cwd=self.folder, env=self.environment,
            input=typed, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode in good, f"{command}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout

    def start(self, command: str) -> None:
        with (self.folder.parent / f"process{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen(
                shlex.split(self.here(command)),
                cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.running.append(process)

    def said(self) -> str:
        return "\n".join(path.read_text()[-1500:] for path in self.folder.parent.glob("process*.log"))


@pytest.fixture
def clone() -> Iterator[Clone]:
    place = new_folder("readme")
    servers: dict[str, Server] = {}
    found: Clone | None = None
    try:
        servers["postgres"] = start_postgres(place / "postgres")
        servers["redis"] = start_redis(place / "redis")
        servers["rabbitmq"] = start_rabbitmq(place / "rabbitmq")
        with socket.create_server(("127.0.0.1", 0)) as mail:
            found = Clone(copy_of_the_product(place / "clone"), servers, mail)
            (place / "access.log").touch()
            (found.folder / "webhook.json").write_text(json.dumps({"secret": SECRET}))
            yield found
    finally:
        for process in found.running if found else []:
            kill_family(process.pid)
            process.wait(20)
        for server in servers.values():
            server.stop()
        shutil.rmtree(place, ignore_errors=True)


def copy_of_the_product(folder: Path) -> Path:
    """What a clone holds: nothing that was made here, no `.env`, no compiled translations."""
    made = shutil.ignore_patterns(
        "__pycache__", "*.mo", "static-built", "var", ".env", ".venv", ".git", ".*_cache", ".hypothesis"
    )
    shutil.copytree(env_file.ROOT, folder, ignore=made, symlinks=True)
    (folder / ".venv").symlink_to((env_file.ROOT / ".venv").resolve())
    return folder


def follow_readme(clone: Clone) -> str:
    """Do what the section says, in its order; returns what `setup` printed."""
    printed = ""
    for block in blocks("README.md"):
        if block.language == "ini":
            clone.fill_env()
        for command in block.lines if block.language == "sh" else ():
            if any(command.startswith(begin) for begin in NOT_RUN):
                continue
            if block.starts_processes:
                clone.start(command)
            elif command.endswith(" setup"):
                printed = clone.run(command, "\n".join([*ANSWERS, ""]))
            elif command.endswith(" check_setup"):
                wait_for_green(clone, command)
            else:
                clone.run(next((new for begin, new in INSTEAD.items() if command.startswith(begin)), command))
    return printed


def checks(clone: Clone, command: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(clone.run(f"{command} --json", good=(0, 1)))
    return rows


def wait_for_green(clone: Clone, command: str) -> None:
    """The processes need some seconds to be seen; then every row is green, and so says the exit status."""
    end = time.monotonic() + 120
    while True:
        rest = [row for row in checks(clone, command) if row["state"] != "good"]
        if not rest or time.monotonic() > end:
            break
        time.sleep(2)
    assert rest == [], clone.said()
    clone.run(command)


def pay_an_order(clone: Clone, token: str) -> tuple[int, str]:
    """Buy, and pay with a signed notification; returns its status and the order's number."""
    outside = {"Host": HOST, "X-Forwarded-Proto": "https", "Authorization": f"Bearer {token}"}
    body: dict[str, Any] = {
        "buyer": {"id": "b1", "name": "王小明", "phone": "13800008000"},
        "lines": [{"product_id": "cup", "name": "保温杯", "quantity": 1, "unit_price": "88.80"}],
        "address": {"province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "文三路 1 号"},
    }
    with httpx2.Client(base_url=f"http://127.0.0.1:{clone.port}", headers=outside, timeout=10) as client:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        number = client.post("/api/v1/orders/", json=body, headers=key).json()["number"]
        wish = {"provider": "webhook", "account": "tea-webhook"}
        payment = client.post(f"/api/v1/orders/{number}/payments/", json=wish).json()
        now = datetime.now(UTC)
        notice = {
            "type": "payment.succeeded", "timestamp": now.isoformat(),
            "data": {"reference": payment["reference"], "provider_reference": "T1", "amount": payment["amount"],
                     "currency": "CNY", "paid_at": now.isoformat()},
        }  # fmt: skip
        raw = json.dumps(notice).encode()
        signed = signed_headers(secret_bytes(SECRET), raw, message_id="msg_1", at=now)
        answer = client.post("/notify/webhook/tea-webhook/", content=raw, headers=signed)
        paid = eventually(lambda: client.get(f"/api/v1/orders/{number}/").json()["status"] == "paid", 30)
        assert paid, clone.said()
    return answer.status_code, number


class Desk:
    """The administrator's browser, behind a proxy with TLS: its cookies are for https alone, so they are kept by hand."""

    def __init__(self, clone: Clone) -> None:
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{clone.port}", timeout=20)
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> str:
        return self._follow(self._call("GET", path))

    def post(self, path: str, **fields: str) -> str:
        return self._follow(
            self._call("POST", path, {**fields, "csrfmiddlewaretoken": self._cookies["csrftoken"]})
        )

    def _follow(self, answer: httpx2.Response) -> str:
        while answer.is_redirect:
            answer = self._call("GET", answer.headers["Location"])
        assert answer.status_code == 200, answer.text[:500]
        return answer.text

    def _call(self, method: str, path: str, data: dict[str, str] | None = None) -> httpx2.Response:
        headers = {
            "Host": HOST, "X-Forwarded-Proto": "https", "Referer": f"https://{HOST}/", "Accept-Language": "en",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
        }  # fmt: skip
        answer = self._client.request(method, path, data=data, headers=headers)
        for cookie in answer.headers.get_list("set-cookie"):
            name, value = cookie.partition(";")[0].split("=", 1)
            self._cookies[name] = value
        return answer


def page_of_checks(clone: Clone, password: str) -> str:
    """Log in as the administrator, set up the second step as a phone would, and open the page."""
    desk = Desk(clone)
    desk.get("/admin/login/")
    page = desk.post("/admin/login/", username="admin", password=password, next="/admin/installation/")
    found = re.search(r'class="secret-key">([A-Z2-7 ]+)<', page)
    assert found, page[:2000]
    totp = TOTP(b32decode(found[1].replace(" ", "")))
    desk.post("/accounts/security/set-up/", code=f"{totp.token():06d}", next="/admin/installation/")
    return desk.get("/admin/installation/")


def shown_once(printed: str, line_with: str) -> str:
    return next(line for line in printed.splitlines() if line_with in line).split()[-1]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_commands_of_the_readme_lead_to_a_paid_order(clone: Clone) -> None:
    printed = follow_readme(clone)

    assert f"https://{HOST}/notify/webhook/tea-webhook/" in printed
    assert pay_an_order(clone, shown_once(printed, "API client shop"))[0] == 204
    page = page_of_checks(clone, shown_once(printed, "log-in admin"))
    assert "os-badge os-good" in page
    assert ["os-badge os-bad" in page, "os-badge os-waiting" in page] == [False, False]
    assert [process.poll() for process in clone.running] == [None] * 6
    again = clone.run(".venv/bin/python manage.py setup --language en", "\n" * 20)
    assert [line for line in again.splitlines() if line.startswith("+")] == []

    clone.servers["redis"].kill()
    (clone.folder / ".env").chmod(0o644)
    red = {
        row["name"]
        for row in checks(clone, ".venv/bin/python manage.py check_setup")
        if row["state"] == "bad"
    }
    assert {"keys", "cache"} <= red
