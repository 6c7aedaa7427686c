"""Nothing of a test session reaches a server that the session did not start: no test, and no program below one."""

from __future__ import annotations

import _socket
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.tests.running import call, started, wait_for
from scripts.env_file import ROOT
from scripts.network_guard import ForeignAddress, Network, servers_of
from scripts.processes import free_port

CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)"
CONNECT_BELOW = (
    f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {CONNECT!r}, sys.argv[1]]))"
)

PAYMENT = {
    "reference": "STRANGER000000001",
    "amount": "1.00",
    "currency": "CNY",
    "subject": "x",
    "expires_at": "2099-01-01T00:00:00+00:00",
    "return_url": "http://shop.test/back",
}


@dataclass(frozen=True, slots=True)
class Stranger:
    """A server of somebody else, as the guard sees it: it was bound behind the guard's back."""

    listener: socket.socket

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def refusal(self) -> str:
        return f"127.0.0.1:{self.port} is not of this test session, which connects only to servers that it started"

    def is_untouched(self) -> bool:
        try:
            self.listener.accept()
        except BlockingIOError:
            return True
        return False


def _bound_unseen() -> _socket.socket:
    unseen = _socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    unseen.bind(("127.0.0.1", 0))
    return unseen


@pytest.fixture
def stranger(network: Network) -> Iterator[Stranger]:
    unseen = _bound_unseen()
    # A port that an earlier test has bound stays the session's own, and the system may hand it out again.
    passed = []
    while network.allows("127.0.0.1", unseen.getsockname()[1]):
        passed.append(unseen)
        unseen = _bound_unseen()
    for other in passed:
        other.close()
    with socket.socket(fileno=unseen.detach()) as listener:
        listener.listen()
        listener.settimeout(0)
        yield Stranger(listener)


def run(code: str, port: int, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(port)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def refused_ports(network: Network) -> set[str]:
    return {line.split()[0] for line in network.take_refused()}


def test_the_test_itself_is_refused(stranger: Stranger, network: Network) -> None:
    with pytest.raises(ForeignAddress) as caught:
        socket.create_connection(("127.0.0.1", stranger.port))

    assert caught.value.strerror == stranger.refusal
    assert stranger.is_untouched()
    assert refused_ports(network) == {f"127.0.0.1:{stranger.port}"}


def test_localhost_by_name_is_refused(stranger: Stranger, network: Network) -> None:
    with socket.socket() as client, pytest.raises(ForeignAddress):
        client.connect(("localhost", stranger.port))

    assert stranger.is_untouched()
    assert refused_ports(network) == {f"localhost:{stranger.port}"}


def test_another_machine_is_refused(network: Network) -> None:
    port = free_port()

    with pytest.raises(ForeignAddress):
        socket.create_connection(("198.51.100.1", port))

    assert refused_ports(network) == {f"198.51.100.1:{port}"}


@pytest.mark.parametrize("code", [CONNECT, CONNECT_BELOW])
@pytest.mark.parametrize("environment", [None, {"PYTHONPATH": "/nowhere"}])
def test_programs_are_refused(
    code: str, environment: dict[str, str] | None, stranger: Stranger, network: Network
) -> None:
    done = run(code, stranger.port, environment)

    assert done.returncode == 1
    assert stranger.refusal in done.stderr
    assert stranger.is_untouched()
    assert refused_ports(network) == {f"127.0.0.1:{stranger.port}"}


def test_a_fork_is_refused(stranger: Stranger, network: Network) -> None:
    child = os.fork()
    if not child:
        with socket.socket() as client:
            os._exit(client.connect_ex(("127.0.0.1", stranger.port)))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 111  # ECONNREFUSED
    assert stranger.is_untouched()
    assert refused_ports(network) == {f"127.0.0.1:{stranger.port}"}


def test_a_sandboxs_notification_is_refused(stranger: Stranger, network: Network, tmp_path: Path) -> None:
    """A test once notified another shop like this: the sandbox itself goes on without an answer."""
    with started(tmp_path) as box:
        begun = box.webhook("pay", {**PAYMENT, "notify_url": f"{stranger.url}/notify/webhook/shop/"})
        call("POST", f"{begun.json['pay_url']}/pay")
        wait_for(lambda: box.deliveries(PAYMENT["reference"])[0]["attempts"])

    assert stranger.is_untouched()
    assert refused_ports(network) == {f"127.0.0.1:{stranger.port}"}


def test_a_sandboxs_warehouse_is_refused(stranger: Stranger, network: Network, tmp_path: Path) -> None:
    """It asks its shop for orders every tenth of a second."""
    (tmp_path / "erp_token").write_text("token\n")

    with started(tmp_path, ORDERSITE_URL=stranger.url):
        assert wait_for(lambda: refused_ports(network)) == {f"127.0.0.1:{stranger.port}"}

    assert stranger.is_untouched()
    assert refused_ports(network) <= {f"127.0.0.1:{stranger.port}"}, "it went on asking"


def test_own_servers_are_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()

        assert run(CONNECT, port).returncode == 0


def test_a_program_shares_its_ports() -> None:
    port, serve = free_port(), "import socket, sys; socket.create_server(('127.0.0.1', 0)).accept()"
    code = serve.replace("0)", "int(sys.argv[1]))")
    with subprocess.Popen([sys.executable, "-c", code, str(port)]) as server:
        wait_for(lambda: run(CONNECT, port).returncode == 0)

    assert server.returncode == 0


def test_named_servers_belong_to_the_session() -> None:
    urls = ["", "redis://127.0.0.1:6400/3", "amqp://guest:guest@127.0.0.1//", "sqlite:////tmp/db.sqlite3"]

    assert servers_of(urls) == {("127.0.0.1", 6400), ("127.0.0.1", 5672)}


SWALLOWS = """
import socket
def test_swallows():
    with socket.socket() as client:
        client.connect_ex(("127.0.0.1", {port}))
"""


def test_a_swallowed_refusal_fails_the_test(stranger: Stranger, tmp_path: Path) -> None:
    path = tmp_path / "test_swallows.py"
    path.write_text(SWALLOWS.format(port=stranger.port))
    plugins = ["-p", "scripts.own_network", "-p", "no:django", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, f"--rootdir={tmp_path}", *plugins, str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert stranger.refusal in done.stdout
    assert stranger.is_untouched()
