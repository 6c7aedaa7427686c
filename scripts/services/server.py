"""A server process in a folder, whatever it serves."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from scripts.processes import birth_of, family_of, free_port, is_alive, kill_family, send, wait_until


class ServiceError(Exception):
    """A server that is not installed or did not start; the text ends with the last lines of its log."""


class Server:
    """A server process in a folder. Subclasses say how it is prepared, started and asked."""

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
        """Terminate it, wait 20 s, then kill what is left."""
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

    def freeze(self) -> None:
        """SIGSTOP the server and all its children; the kernel still acknowledges what is sent to them."""
        for member in family_of(self.pid):
            send(member, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT what was frozen."""
        for member in reversed(family_of(self.pid)):
            send(member, signal.SIGCONT)

    def describe(self) -> dict[str, object]:
        """What another process needs to take the server over, and what a person wants to see."""
        place = {"folder": str(self.folder), "port": self.port, "url": self.url}
        return {**place, "pid": self.pid, "command": self.command()}

    def run_tool(self, command: list[str]) -> None:
        """Run a program of the server's packages to its end, as the server's user. Raises ServiceError."""
        process = self._spawn(command)
        if process.wait():
            raise ServiceError(f"{command[0]} failed: {self._log_tail()}")

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        path = os.environ.get("PATH", os.defpath)
        environment = {"PATH": path, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
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
        log = self.folder / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return " | ".join(lines[-4:]) or "its log is empty"


# Before PATH: the wrapper that Debian puts there refuses to run as any other user than its own.
_FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin")


def program(name: str) -> str:
    """Full path of a server program, newest PostgreSQL first. Raises ServiceError when it is missing."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    places = [*map(str, versions), *_FOLDERS, os.environ.get("PATH", os.defpath)]
    found = shutil.which(name, path=os.pathsep.join(places))
    if not found:
        raise ServiceError(f"{name} is not installed")
    return found


def answer(port: int, question: bytes) -> bytes:
    """The first bytes that a server on loopback replies within a second; empty when there are none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.settimeout(1)
            line.sendall(question)
            return line.recv(64)
    except OSError:
        return b""
