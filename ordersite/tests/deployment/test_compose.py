"""compose.yaml: what it says, by the published schema, and by running each service's command with its environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from ordersite.tests.deployment.programs import (
    Program,
    Running,
    compose,
    compose_programs,
    environment_of,
    image_command,
)
from ordersite.tests.deployment.shop import POOL_SIZE, check_deployment, own_servers, pooled
from ordersite.tests.site import BIN
from scripts import packages
from scripts.env_file import ROOT, example_with, new_values
from scripts.processes import free_port

OURS = ("migrate", "web", "notify", "worker", "outside", "beat", "clock", "access-log")
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ordersite'"
OWNER, SHARED = "secretofowner", "secretofservers"


def dot_env() -> dict[str, str]:
    """What README tells to write: the whole example, with keys and the two passwords."""
    text = example_with({**new_values(), "PUBLIC_BASE_URL": "https://shop.example"})
    pairs = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    migration = {"DATABASE_MIGRATION_URL": f"postgres://ordersite_owner:{OWNER}@elsewhere/ordersite"}
    return {**pairs, **migration, "SERVERS_PASSWORD": SHARED, "DATABASE_OWNER_PASSWORD": OWNER}


def test_services_are_these() -> None:
    assert set(compose()["services"]) == {"postgres", "redis", "rabbitmq", *OURS}
    assert set(compose_programs(dot_env(), {})) == set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_only_migrate_has_the_owners_password(name: str) -> None:
    service = compose()["services"][name]
    holding = {key for key, value in environment_of(service, dot_env()).items() if OWNER in value}
    assert holding == ({"DATABASE_MIGRATION_URL"} if name == "migrate" else set())


@pytest.mark.parametrize("name", OURS)
def test_services_drop_what_they_do_not_need(name: str) -> None:
    service = compose()["services"][name]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert service["networks"] == ["inside"]
    assert "files:/var/lib/ordersite" in service["volumes"]


def test_only_the_gateway_is_believed() -> None:
    """The proxy of the machine comes from the gateway; ports are published on the machine's loopback alone."""
    (network,) = compose()["networks"]["inside"]["ipam"]["config"]
    for name in ("web", "notify"):
        service = compose()["services"][name]
        assert environment_of(service, dot_env())["TRUSTED_PROXIES"] == network["gateway"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert ip_address(network["gateway"]) in ip_network(network["subnet"])


def test_servers_are_of_supported_releases() -> None:
    """Raised by hand: PostgreSQL 15 is supported until November 2027, RabbitMQ 3 and Redis 7 no longer."""
    services = compose()["services"]
    images = {name: services[name]["image"] for name in ("postgres", "redis", "rabbitmq")}
    assert images == {"postgres": "postgres:15", "redis": "redis:8", "rabbitmq": "rabbitmq:4"}


def test_workers_have_names_of_their_own() -> None:
    """Two containers of one service differ by their host's name, two services on one by the first half."""
    programs = compose_programs(dot_env(), {})
    names = [
        re.search(r"--hostname (\S+)", " ".join(programs[name].command)) for name in ("worker", "outside")
    ]
    assert [name and name[1] for name in names] == ["worker@%h", "outside@%h"]


def test_services_wait_for_their_servers() -> None:
    for name in OURS:
        needs = compose()["services"][name]["depends_on"]
        wanted = {"postgres": "service_healthy"}
        if name != "migrate":
            wanted = {"migrate": "service_completed_successfully"}
            wanted |= dict.fromkeys(("redis", "rabbitmq"), "service_healthy")
        assert {service: needed["condition"] for service, needed in needs.items()} == wanted
    for name in ("postgres", "redis", "rabbitmq", "web", "notify"):
        assert "healthcheck" in compose()["services"][name]


def test_web_command_is_the_images() -> None:
    assert image_command()[-1] == "deploy/web.sh"
    assert all("command" not in compose()["services"][name] for name in ("web", "notify"))


@pytest.mark.long
def test_file_is_valid_by_the_published_schema(tmp_path: Path) -> None:
    try:
        folder = packages.unpack("docker-compose", tmp_path / "package")
    except packages.NotAllowed as reason:
        pytest.skip(f"needs the schema of Debian's docker-compose: {reason}")
    (path,) = folder.rglob("compose_spec.json")
    schema: dict[str, Any] = json.loads(path.read_text())
    plain = {
        name: part for name, part in compose().items() if name != "name"
    }  # newer than Debian 12's schema
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(plain)
    plain["services"]["web"]["restartt"] = "always"
    assert not validator.is_valid(plain)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("through_pooler", [False, True], ids=["direct", "pooled"])
def test_services_take_an_order(through_pooler: bool) -> None:
    """Each service's own command and environment; addresses of containers are replaced by those of servers here.

    Pooled, all but `migrate` go through PgBouncer in transaction mode, on eight connections of the server.
    """
    with own_servers() as servers, contextlib.ExitStack() as stack:
        values = dot_env()
        database = environment_of(compose()["services"]["postgres"], values)
        servers.made_ready(
            {name: database[name] for name in ("DATABASE_OWNER_PASSWORD", "DATABASE_PASSWORD")},
            broker_password=SHARED,
        )
        log = servers.folder / "ordersite.json.log"
        log.touch()
        places = {
            "@postgres:5432": f"@127.0.0.1:{servers.postgres.port}",
            "redis:6379": f"127.0.0.1:{servers.redis.port}",
            "@rabbitmq:5672": f"@127.0.0.1:{servers.rabbitmq.port}",
            "/var/lib/ordersite": str(servers.folder / "var"),
            "/var/log/nginx/ordersite.json.log": str(log),
        }
        around = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(servers.folder), "PYTHONUNBUFFERED": "1"}
        ports = {"web": free_port(), "notify": free_port()}
        running = Running(servers.folder)
        programs = {
            name: one.with_places({**places, **_port(ports.get(name))})
            for name, one in compose_programs(values, around).items()
        }
        try:
            running.run(programs.pop("migrate"))
            if through_pooler:
                pooler = stack.enter_context(pooled(servers, f"postgres://ordersite:{SHARED}"))
                direct = {places["@postgres:5432"]: f"@127.0.0.1:{pooler.port}"}
                programs = {name: one.with_places(direct) for name, one in programs.items()}
            for one in programs.values():
                running.start(one)
            web, notify = (f"http://127.0.0.1:{ports[name]}" for name in ("web", "notify"))
            check_deployment(servers, running, web, notify, programs["web"])
            if through_pooler:
                assert servers.rows(CONNECTIONS)[0][0] in range(1, POOL_SIZE + 1)
            for name in ports:
                _is_healthy(name, running, programs[name], ports[name])
        finally:
            running.kill()


def _port(port: int | None) -> dict[str, str]:
    return {"PORT=8000": f"PORT={port}"} if port else {}


def _is_healthy(name: str, running: Running, program: Program, port: int) -> None:
    """Run the service's own health check."""
    kind, *words = compose()["services"][name]["healthcheck"]["test"]
    assert kind == "CMD"
    check = [word.replace(":8000/", f":{port}/") for word in words]
    running.run(Program(f"{name}-health", check, program.environment))


def test_init_file_is_where_the_image_looks() -> None:
    (mounted,) = (v for v in compose()["services"]["postgres"]["volumes"] if "initdb" in v)
    source, target, mode = mounted.split(":")
    assert (ROOT / source).is_file()
    assert (target, mode) == ("/docker-entrypoint-initdb.d/roles.sql", "ro")
