"""The systemd units: read by systemd itself, and each ExecStart run under an unprivileged user with its environment."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ordersite.tests.deployment.programs import (
    HOME,
    UNITS,
    Running,
    compose,
    read_unit,
    unit_program,
    wanted_units,
)
from ordersite.tests.deployment.shop import check_deployment, own_servers
from ordersite.tests.test_env_file import checkout
from scripts.env_file import ROOT, example_with, new_values
from scripts.processes import free_port

SERVICES = ("web", "notify", "worker@1", "worker@2", "outside@1", "beat", "clock", "access-log")
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "ReadWritePaths": "/var/lib/ordersite -/var/backups/ordersite-anchors",
    "UMask": "0077",
    "User": "ordersite",
    "CapabilityBoundingSet": "",
    "WorkingDirectory": HOME,
}
FILES = [f"{HOME}/.env", f"{HOME}/.env.migrate"]


def test_target_starts_every_kind() -> None:
    assert wanted_units() == [f"ordersite-{name}.service" for name in SERVICES]


@pytest.mark.parametrize("path", sorted(UNITS.glob("*.service")), ids=lambda path: path.stem)
def test_services_are_locked_in_and_come_back(path: Path) -> None:
    unit = read_unit(path)
    assert {name: unit["Service", name] for name in HARDENED} == {k: [v] for k, v in HARDENED.items()}
    is_once = unit["Service", "Type"] == ["oneshot"]
    assert unit.get(("Service", "Restart")) == (None if is_once else ["always"])
    # Who owns the tables is known to the unit that migrates alone.
    assert unit["Service", "EnvironmentFile"] == ([FILES[1], FILES[0]] if is_once else [FILES[0]])


def copied_units(folder: Path) -> Path:
    """The units for the code in this checkout."""
    shutil.copytree(UNITS, folder)
    for path in folder.rglob("*.*"):
        if path.is_file():
            path.write_text(path.read_text().replace(HOME, str(ROOT)))
    return folder


def verify(folder: Path) -> str:
    """What systemd has to say of them; nothing when all is well."""
    names = [*wanted_units(), "ordersite.target", "ordersite-migrate.service"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{folder}:"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    return "\n".join(line for line in lines if str(folder) in line or "ordersite" in line)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    folder = copied_units(tmp_path / "units")
    assert verify(folder) == ""
    common = folder / "ordersite-.service.d" / "common.conf"
    common.write_text(common.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    assert "NoNewPrivilege" in verify(folder)


def unprivileged() -> list[str]:
    """What drops the rights as the units do, where root runs the tests; else nothing.

    The right to read stays: the interpreter may lie in root's home. To write, nobody needs the permission.
    """
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    nobody = pwd.getpwnam("nobody")
    identity = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    rights = [f"--{which}=-all,+dac_read_search" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", *identity, *rights, "--no-new-privs", "--"]


def dot_env(values: dict[str, str]) -> dict[str, str]:
    text = example_with({**new_values(), **values})
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_units_take_an_order() -> None:
    with own_servers() as servers:
        passwords = {"DATABASE_OWNER_PASSWORD": "owners", "DATABASE_PASSWORD": "applications"}
        servers.made_ready(passwords, broker_password="brokers")
        place = f"127.0.0.1:{servers.postgres.port}/ordersite"
        root = checkout(servers.folder / "srv")
        (root / ".venv").symlink_to((ROOT / ".venv").resolve())
        files = {
            FILES[0]: dot_env(
                {
                    "PUBLIC_BASE_URL": "https://shop.example",
                    "DATABASE_URL": f"postgres://ordersite:applications@{place}",
                    "REDIS_URL": servers.redis.url,
                    "CELERY_BROKER_URL": f"amqp://ordersite:brokers@127.0.0.1:{servers.rabbitmq.port}//",
                    "VAR_DIR": "/var/lib/ordersite",
                    "PORT": "8000",
                }
            ),
            FILES[1]: {"DATABASE_MIGRATION_URL": f"postgres://ordersite_owner:owners@{place}"},
        }
        running = Running(servers.folder, prefix=unprivileged(), root=root, umask=0o077)
        written, log = servers.folder / "var", servers.folder / "ordersite.json.log"
        written.mkdir()
        log.touch()
        if running.prefix:
            shutil.chown(written, "nobody")
        ports = {"web": free_port(), "notify": free_port()}
        places = {
            "/var/lib/ordersite": str(written),
            "/var/log/nginx/ordersite.json.log": str(log),
            HOME: str(root),
        }

        def local(name: str) -> dict[str, str]:
            port = ports["notify" if "notify" in name else "web"]
            return {**places, "PORT=8001": f"PORT={port}"}

        around = {"HOME": str(written), "LANG": "C.UTF-8"}
        try:
            running.run(unit_program("ordersite-migrate.service", files, around).with_places(places))
            files[FILES[0]]["PORT"] = str(ports["web"])
            made = [unit_program(name, files, around).with_places(local(name)) for name in wanted_units()]
            programs = {one.name: one for one in made}
            for one in made:
                assert "DATABASE_MIGRATION_URL" not in {k for k, v in one.environment.items() if v}
                running.start(one)
            web, notify = (f"http://127.0.0.1:{ports[name]}" for name in ("web", "notify"))
            check_deployment(servers, running, web, notify, programs["web"])
            for name in ("worker@1", "worker@2"):
                assert "already" not in running.said(name)
            if running.prefix:
                owners = {path.owner() for path in written.rglob("*")}
                assert owners <= {"nobody"}
            open_to_others = [path for path in written.rglob("*") if path.stat().st_mode & 0o007]
            assert open_to_others == []
        finally:
            running.kill()


def test_log_of_the_proxy_is_the_one_that_is_read() -> None:
    conf = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    (written,) = set(re.findall(r"access_log (\S+) ordersite_json", conf))
    files: dict[str, dict[str, str]] = {file: {} for file in FILES}
    assert written in unit_program("ordersite-access-log.service", files, {}).command
    assert written in compose()["services"]["access-log"]["command"]


def test_workers_names_differ() -> None:
    names = [
        re.findall(
            r"--hostname (\S+)", " ".join(unit_program(name, {file: {} for file in FILES}, {}).command)
        )
        for name in wanted_units()
        if "worker" in name or "outside" in name
    ]
    assert names == [["worker-1@%h"], ["worker-2@%h"], ["outside-1@%h"]]
