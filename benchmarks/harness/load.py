"""Generates load: serves the product by its web command, calls it with wrk, and runs pgbench against the bare database."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.web import WEB, place

ROOT = Path(__file__).resolve().parents[2]
LUA = Path(__file__).resolve().parent / "requests.lua"
LONGEST_LOAD = 300


class Missing(RuntimeError):
    """A needed tool is not installed; the message names its package."""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of wrk. Latencies in milliseconds; `refused` counts answers of 400 and above, `broken` socket errors."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Successful answers a second."""
        return (self.requests - self.refused) / self.seconds


def tool(name: str, package: str) -> str:
    """Return the path of a program. Raises Missing, which names its package."""
    found = shutil.which(name) or next(
        (str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), ""
    )
    if not found:
        raise Missing(f"{name} is not installed (apt-get install {package})")
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serve(
    application: str = "ordersite.rsgi:application",
    *,
    ready_path: str = "/healthz",
    env: Mapping[str, str] | None = None,
    workers: int = 2,
    threads: int = 8,
) -> Iterator[str]:
    """Serve an application by the web command on a free port of the loopback; yields its URL without a slash at the end."""
    port = free_port()
    own = {"LOG_LEVEL": "ERROR", "WEB_THREADS": str(threads), **(env or {}), **place(port, workers=workers)}
    server = subprocess.Popen([WEB, application], cwd=ROOT, env={**os.environ, **own})
    try:
        _wait_until_up(f"http://127.0.0.1:{port}{ready_path}", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        server.wait()


def _wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait for any HTTP answer, also an error."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server did not answer at {url}")


def raw_request(path: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> bytes:
    """Return an HTTP/1.1 request as bytes, for `fire`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def fire(url: str, requests: Sequence[bytes], folder: Path, *, connections: int = 16) -> Load:
    """Send each request once over keep-alive connections, as fast as the server answers."""
    path = folder / "requests.bin"
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%d\n" % len(request) + request)
    threads = min(2, connections)
    marks = [folder / f"requests.bin.done{number}" for number in range(threads)]
    for mark in marks:
        mark.unlink(missing_ok=True)
    command = [
        tool("wrk", "wrk"), "-t", str(threads), "-c", str(connections), "-d", f"{LONGEST_LOAD}s",
        "--timeout", "30s", "-s", str(LUA), url, "--", str(path), str(threads),
    ]  # fmt: skip
    seen: dict[str, float] = json.loads(_until_marked(command, marks))
    return Load(**seen)  # type: ignore[arg-type]


def _until_marked(command: Sequence[str], marks: Sequence[Path]) -> str:
    """Run wrk until each thread has written its mark file; returns the JSON that it prints when interrupted."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not all(mark.exists() for mark in marks):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    if "{" not in output:
        raise RuntimeError(f"wrk said: {output}")
    return output[output.rindex("{") :]


def pgbench(script: str, database_url: str, folder: Path, *, clients: int = 16, seconds: int = 4) -> float:
    """Run a pgbench script (prepared protocol) and return its transactions a second."""
    path = folder / "floor.sql"
    path.write_text(script, encoding="utf-8")
    command = [
        tool("pgbench", "postgresql-contrib"), "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
        "-T", str(seconds), "-f", str(path), database_url,
    ]  # fmt: skip
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    line = next(line for line in output.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])
