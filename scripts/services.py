"""Private PostgreSQL, Redis and RabbitMQ servers for tests, benchmarks and development.

Each lives in a folder and listens on a port of its own on loopback, lets everybody in, and leaves the servers of the
machine alone. State is in the folder (`pid`), so another process may take the same server over by folder and port:

    redis = start_redis(Path("/var/tmp/some-test/redis"))
    redis.kill()      # SIGKILL to the whole family, as a power cut would do it
    redis.start()     # again, same folder, same port
    redis.stop()

`python -m scripts.services up FOLDER --postgres 54329 --redis 63790 --rabbitmq 56720` and `down FOLDER` do the same by
hand. When root starts them, PostgreSQL and RabbitMQ run as the users that Debian's packages made for them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from scripts.processes import birth_of, free_port, is_alive, kill_family, send, wait_until

# Safe against killed processes (WAL reaches the kernel before a commit returns), not against a power cut.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class ServiceError(Exception):
    """A server that is not installed or did not start; the text ends with the last lines of its log."""


class Server:
    """A server process in a folder. Subclasses say how it is prepared, started and asked whether it is ready."""

    name = ""
    account = ""  # the user that root starts it as; empty: root itself
    stop_signal = signal.SIGTERM
    start_seconds = 60.0

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder.resolve()
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        """Make what the first start needs; called before every start, so it must not mind being repeated."""

    def is_ready(self) -> bool:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Number of the main process, 0 when it does not run (or the number is somebody else's by now)."""
        try:
            pid, born = map(int, (self.folder / "pid").read_text().split())
        except (OSError, ValueError):
            return 0
        return pid if birth_of(pid) == born else 0

    @property
    def running(self) -> bool:
        return is_alive(self.pid)

    def start(self) -> None:
        """Start and wait until it answers. Raises ServiceError."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._drop_to:
            shutil.chown(self.folder, self._drop_to, self._drop_to)
        self.prepare()
        self._process = self._spawn(self.command())
        (self.folder / "pid").write_text(f"{self._process.pid} {birth_of(self._process.pid)}")
        if not wait_until(lambda: self._gone() or self.is_ready(), self.start_seconds) or self._gone():
            self.kill()
            raise ServiceError(f"{self.name} did not start on port {self.port}: {self._log_tail()}")

    def stop(self) -> None:
        """Ask it to end, wait 20 s, then kill what is left."""
        pid = self.pid
        if self.running:
            send(pid, self.stop_signal)
            wait_until(lambda: self._gone() or not is_alive(pid), 20)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server and all its children; the folder keeps what was on disk."""
        if pid := self.pid:
            kill_family(pid)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def describe(self) -> dict[str, object]:
        return {"folder": str(self.folder), "port": self.port, "url": self.url, "pid": self.pid, "command": self.command()}

    def run_tool(self, command: list[str]) -> None:
        """Run a program of the server's packages to its end, as the server's user. Raises ServiceError."""
        process = self._spawn(command)
        if process.wait():
            raise ServiceError(f"{command[0]} failed: {self._log_tail()}")

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            try:
                return subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=environment | self.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    user=self._drop_to,
                    group=self._drop_to,
                    extra_groups=[] if self._drop_to else None,
                )
            except OSError as error:
                raise ServiceError(f"{self.name} is not installed: {error}") from error

    @property
    def _drop_to(self) -> str | None:
        return self.account if self.account and os.geteuid() == 0 else None

    def _gone(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _log_tail(self) -> str:
        lines = (self.folder / "log").read_text(errors="replace").splitlines() if (self.folder / "log").exists() else []
        return " | ".join(lines[-4:]) or "its log is empty"


class Postgres(Server):
    name = "PostgreSQL"
    account = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: roll back what is open, write a checkpoint

    def __init__(self, folder: Path, port: int = 0, options: Mapping[str, str] = QUICK) -> None:
        super().__init__(folder, port)
        self.options = dict(options)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        if not (self.folder / "data" / "PG_VERSION").exists():
            locale = ["--locale=C.UTF-8", "--encoding=UTF8"]
            self.run_tool([program("initdb"), "-D", "data", "-U", "postgres", "--auth=trust", "--no-sync", *locale])

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "300",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
        }
        pairs = [part for key, value in (options | self.options).items() for part in ("-c", f"{key}={value}")]
        return [program("postgres"), "-D", "data", *pairs]

    def is_ready(self) -> bool:
        question = [program("pg_isready"), "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(question, check=False, capture_output=True).returncode == 0


class Redis(Server):
    name = "Redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        quiet = ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        return [program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), *quiet]

    def is_ready(self) -> bool:
        return _answer(self.port, b"PING\r\n").startswith(b"+PONG")


class RabbitMQ(Server):
    """A one-node broker with an epmd of its own: the machine's is neither needed nor left behind."""

    name = "RabbitMQ"
    account = "rabbitmq"
    start_seconds = 90.0

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self.inner_port = free_port()  # between Erlang nodes; nobody else calls it
        self.epmd_port = free_port()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def prepare(self) -> None:
        (self.folder / "plugins").write_text("[].\n")
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "disk_free_limit.absolute = 50MB", "log.console = true"]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        # The shell keeps epmd in the same family, so that one kill ends both.
        script = f"{program('epmd')} -port {self.epmd_port} & exec {program('rabbitmq-server')}"
        return ["/bin/sh", "-c", script]

    def environment(self) -> dict[str, str]:
        return {
            "RABBITMQ_NODENAME": f"ordersite-{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(self.inner_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # An idle broker must not spin on the cores that the tests need.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def is_ready(self) -> bool:
        return len(_answer(self.port, b"AMQP\x00\x00\x09\x01")) > 8

    def stop(self) -> None:
        """Its own start script waits for an Erlang shell to say goodbye (5 s); nothing here is worth that."""
        self.kill()


_FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin")  # before PATH: Debian's wrapper refuses other users


def program(name: str) -> str:
    """Full path of a server program, newest PostgreSQL first. Raises ServiceError when it is not installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    places = [*map(str, versions), *_FOLDERS, os.environ.get("PATH", os.defpath)]
    found = shutil.which(name, path=os.pathsep.join(places))
    if not found:
        raise ServiceError(f"{name} is not installed")
    return found


def _answer(port: int, question: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.settimeout(1)
            line.sendall(question)
            return line.recv(64)
    except OSError:
        return b""


def start_postgres(folder: Path, port: int = 0, options: Mapping[str, str] = QUICK) -> Postgres:
    """`options` are settings of postgresql.conf: QUICK for tests, DURABLE where a commit must cost what it costs."""
    return _started(Postgres(folder, port, options))


def start_redis(folder: Path, port: int = 0) -> Redis:
    return _started(Redis(folder, port))


def start_rabbitmq(folder: Path, port: int = 0) -> RabbitMQ:
    return _started(RabbitMQ(folder, port))


S = TypeVar("S", bound=Server)


def _started(server: S) -> S:
    server.start()
    return server


def new_folder(purpose: str) -> Path:
    """A fresh folder that the servers' own users can reach too; the caller removes it."""
    folder = Path(tempfile.mkdtemp(prefix=f"ordersite-{purpose}-", dir="/var/tmp"))
    folder.chmod(0o755)
    return folder


KINDS: dict[str, type[Server]] = {"postgres": Postgres, "redis": Redis, "rabbitmq": RabbitMQ}


def up(folder: Path, ports: Mapping[str, int]) -> list[Server]:
    """Start these kinds below the folder and write `services.json` there; a kind that runs already is left running."""
    servers = [KINDS[kind](folder / kind, port) for kind, port in ports.items()]
    for server in servers:
        server.start()
    write_description(folder / "services.json", servers)
    return servers


def down(folder: Path) -> None:
    for kind, facts in json.loads((folder / "services.json").read_text()).items():
        KINDS[kind](Path(facts["folder"]), facts["port"]).stop()


def write_description(path: Path, servers: list[Server]) -> None:
    kinds = {made: kind for kind, made in KINDS.items()}
    path.write_text(json.dumps({kinds[type(server)]: server.describe() for server in servers}, indent=2))


def main() -> int:
    parser = argparse.ArgumentParser(description="Private servers for development.")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("folder", type=Path)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, metavar="PORT")
    asked = vars(parser.parse_args())
    try:
        if asked["action"] == "down":
            down(asked["folder"])
            return 0
        servers = up(asked["folder"], {kind: asked[kind] for kind in KINDS if asked[kind]})
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    for server in servers:
        print(f"{server.name}: {server.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
