"""No call goes to an address inside, however the address is written and whatever a name leads to."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as project
from pytest_httpserver import HTTPServer

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, is_private_enough
from ordersite.lib.outgoing.addresses import address_problems, is_allowed
from ordersite.server.client_address import networks

# Spellings of the same machine; the port of a listener is put in.
OF_THIS_MACHINE = (
    "127.0.0.1", "127.1", "127.0.0.2", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "127\u30020\u30020\u30021", "localhost", "LOCALHOST", "localhost.", "a.localhost",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "0.0.0.0", "0", "[::]",
)  # fmt: skip
INSIDE = (
    "10.0.0.5", "172.16.3.4", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.254",
    "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "0.0.0.1", "192.88.99.1", "3232235777", "0xa9fea9fe", "0251.0376.0251.0376",
    "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:5]", "[64:ff9b:1::1]", "[2002:7f00:1::1]", "[2002:a00:5::1]", "[2001:0:1::1]", "[::ffff:10.0.0.5]",
    "[100::1]",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "110.75.1.1", "2400:3200::1", "2606:4700::1111")


@pytest.fixture
def production(settings: Any) -> Any:
    """The settings of a real shop: no network is excepted."""
    settings.OUTGOING_ALLOWED_NETWORKS, settings.DEMO_SHOP = (), False
    return settings


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server inside, which nobody may reach."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        yield listening
        with pytest.raises(TimeoutError):
            listening.accept()


def resolve_as(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver that gives these addresses for any name, one answer after the other; returns what it is called for."""
    called: list[str] = []

    def getaddrinfo(host: str, port: int, *_args: Any, **_kwargs: Any) -> list[Any]:
        found = answers[min(len(called), len(answers) - 1)]
        called.append(host)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return called


def refusal(url: str) -> tuple[str, bool, bool]:
    with pytest.raises(OutsideError) as caught:
        Gateway(connect=1, total=2).post(url, content=b"x", headers={})
    return caught.value.code, caught.value.retryable, caught.value.outcome_known


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", OF_THIS_MACHINE)
def test_this_machine_is_not_called(host: str, scheme: str, production: Any, listener: socket.socket) -> None:
    url = f"{scheme}://{host}:{listener.getsockname()[1]}/"

    # What is no spelling for the resolver is only not found.
    assert refusal(url)[0] in ("bad_address", "provider_unreachable")
    assert address_problems("gateway_url", url)[0].startswith("gateway_url")
    assert not is_private_enough(url)


@pytest.mark.parametrize("host", INSIDE)
def test_nothing_inside_is_called(host: str, production: Any) -> None:
    assert refusal(f"https://{host}/") == ("bad_address", False, True)
    assert address_problems("query_url", f"https://{host}/") != []


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed_by_https(address: str, production: Any) -> None:
    host = f"[{address}]" if ":" in address else address
    assert is_allowed(ip_address(address))
    assert address_problems("gateway_url", f"https://{host}/gateway.do") == []
    assert address_problems("gateway_url", f"http://{host}/") != []
    assert refusal(f"http://{host}/") == ("bad_address", False, True)


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_inside_is_not_called(
    inside: str, production: Any, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    resolve_as(monkeypatch, [inside])
    port = listener.getsockname()[1]

    assert address_problems("gateway_url", f"https://provider.example:{port}/") == []
    assert refusal(f"https://provider.example:{port}/") == ("bad_address", False, True)


def test_a_rebound_name_is_resolved_once(
    settings: Any, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    with socket.create_server(("127.0.0.2", 0)) as checked:
        settings.OUTGOING_ALLOWED_NETWORKS, settings.DEMO_SHOP = networks("127.0.0.2"), False
        called = resolve_as(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
        threading.Thread(target=answer_ok, args=(checked,), daemon=True).start()
        ours, port = Gateway(), checked.getsockname()[1]

        assert ours.get(f"http://provider.example:{port}/").body == b"ok"
        assert called == ["provider.example"]
        # The kept connection is no way around the next check.
        with pytest.raises(OutsideError):
            ours.get(f"http://provider.example:{port}/")


def answer_ok(listening: socket.socket) -> None:
    line, _address = listening.accept()
    line.recv(65536)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_a_redirect_inside_is_not_followed(server: HTTPServer, listener: socket.socket) -> None:
    inside = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    for status in (301, 302, 303, 307, 308):
        server.expect_oneshot_request("/").respond_with_data("", status=status, headers={"Location": inside})
        assert Gateway().post(server.url_for("/"), content=b"x", headers={}).status == status


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as running:
        yield running


def test_the_demonstration_shop_calls_this_machine(production: Any, server: HTTPServer) -> None:
    server.expect_request("/").respond_with_data("ok")
    url = server.url_for("/")
    assert refusal(url)[0] == "bad_address"

    production.DEMO_SHOP = True
    assert Gateway().get(url).body == b"ok"
    assert address_problems("gateway_url", url) == []
    assert address_problems("gateway_url", "https://10.0.0.5/") != []


def test_named_networks_are_called(production: Any) -> None:
    production.OUTGOING_ALLOWED_NETWORKS = networks("10.1.0.0/16, fd00::/8")
    assert all(is_allowed(ip_address(one)) for one in ("10.1.2.3", "fd00::1"))
    assert not any(is_allowed(ip_address(one)) for one in ("10.2.0.1", "::ffff:10.1.2.3"))
    assert address_problems("query_url", "http://10.1.2.3:8080/a") == []
    assert address_problems("query_url", "http://10.2.0.1/") != []


def test_the_certificate_is_checked_for_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    resolve_as(monkeypatch, ["127.0.0.1"])
    with tls_server(tmp_path, "other.example") as (port, names):
        assert refusal(f"https://provider.example:{port}/")[0] == "provider_unreachable"
    assert names == ["provider.example"]


@contextlib.contextmanager
def tls_server(folder: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yields its port and the names that clients have asked for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(own, own, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(pem)
    context, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str]()
    context.load_cert_chain(folder / "tls.pem")
    context.sni_callback = lambda _line, asked, _context: names.append(str(asked))

    def serve() -> None:
        with contextlib.suppress(OSError):
            line, _address = listening.accept()
            context.wrap_socket(line, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1]), names


@pytest.mark.parametrize("value", ["10.0.0.0/33", "localhost"])
def test_a_malformed_network_stops_the_start(value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import ordersite.settings"], cwd=project.BASE_DIR,
        env={**os.environ, "OUTGOING_ALLOWED_NETWORKS": value}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("ordersite cannot start: OUTGOING_ALLOWED_NETWORKS is malformed: ")
    assert len(done.stderr.strip().splitlines()) == 1
