"""Debian's nginx with deploy/nginx.conf itself before real web processes: only names, paths and ports are others."""

from __future__ import annotations

import functools
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.utils import timezone

from orders.tests.web import environment
from ordersite.lib.files.uploads import MEGABYTE, MOST
from payments.models import DeadCall, NotificationBody, Payment
from payments.notifications.apply import drain_notifications
from payments.tests import builders as build
from scripts.env_file import ROOT
from scripts.processes import free_port, is_port_taken, kill_family, wait_until
from scripts.services import Nginx, new_folder
from scripts.web import WEB, place

pytestmark = pytest.mark.nginx

CONF = ROOT / "deploy" / "nginx.conf"
NAME = "shop.example.com"
TOKEN = "Xq7RtokenTOKEN0123456789"
LOG = "ordersite.json.log"


def make_certificate(folder: Path) -> None:
    """A self-signed one for localhost, where the file expects Let's Encrypt's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = timezone.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    bare = serialization.NoEncryption()
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, bare))


@dataclass(slots=True)
class Behind:
    """nginx, and the ports of plain HTTP and of the processes behind it."""

    server: Nginx
    plain_port: int
    web_port: int
    notify_port: int

    @property
    def folder(self) -> Path:
        return self.server.folder

    def client(self) -> httpx2.Client:
        trusted = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        agent = {"user-agent": secrets.token_hex(8)}
        return httpx2.Client(base_url=self.server.url, verify=trusted, timeout=10, headers=agent)

    def plain(self) -> httpx2.Client:
        agent = {"user-agent": secrets.token_hex(8)}
        return httpx2.Client(base_url=f"http://localhost:{self.plain_port}", timeout=10, headers=agent)

    def log(self, client: httpx2.Client, count: int) -> list[dict[str, Any]]:
        """The lines of this client's calls: each is written a moment after its response."""

        def found() -> list[dict[str, Any]]:
            lines = map(json.loads, (self.folder / LOG).read_text().splitlines())
            return [line for line in lines if line["agent"] == client.headers["user-agent"]]

        assert wait_until(lambda: len(found()) >= count, 10)
        return found()

    def announced(self, path: str, length: int) -> int:
        """The status for a body of this length before any of it is sent: 100 where it may come."""
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        with (
            socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as bare,
            context.wrap_socket(bare, server_hostname="localhost") as connection,
        ):
            connection.sendall(head.encode())
            return int(connection.recv(4096).split()[1])


def set_up(folder: Path) -> Behind:
    folder.mkdir()
    make_certificate(folder)
    plain, web, notify = free_port(), free_port(), free_port()
    changes = {
        f"/etc/letsencrypt/live/{NAME}": str(folder),
        NAME: "localhost",
        "/var/log/nginx": str(folder),
        "/var/lib/nginx": str(folder),
        "listen 80": f"listen 127.0.0.1:{plain}",
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "127.0.0.1:8001": f"127.0.0.1:{notify}",
    }
    return Behind(Nginx(folder, CONF, changes), plain, web, notify)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    folder = new_folder("nginx")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def alone(scratch: Path) -> Iterator[Behind]:
    """nginx with nothing behind it: what it refuses, redirects and logs by itself."""
    found = set_up(scratch / "alone")
    found.server.start()
    yield found
    found.server.stop()


def test_file_is_good(scratch: Path) -> None:
    said = set_up(scratch / "checked").server.check()
    assert "test is successful" in said
    assert "emerg" not in said


def test_pages_over_plain_http_are_redirected(alone: Behind) -> None:
    with alone.plain() as client:
        answer = client.get("/shop/orders/?page=2", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (301, "https://localhost/shop/orders/?page=2")
    assert answer.headers["server"] == "nginx"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/track/{TOKEN}/", "/track/*"),
        (f"/track/{TOKEN}/qr.svg", "/track/*"),
        (f"/track//{TOKEN}/", "/track/*"),
        (f"/tr%61ck/{TOKEN}/", "/track/*"),
        (f"/pay/order/{TOKEN}/", "/pay/order/*"),
        (f"/pay/go/{TOKEN}/", "/pay/go/*"),
        (f"/pay/return/{TOKEN}/state/", "/pay/return/*"),
        (f"/push/kuaidi100/{TOKEN}/", "/push/kuaidi100/*"),
        (f"/push/{TOKEN}", "/push/*"),
        ("/notify/alipay/my-alipay/", "/notify/alipay/my-alipay/"),
        ("/admin/orders/order/1/change/", "/admin/orders/order/1/change/"),
    ],
)
def test_tokens_stand_in_no_log(alone: Behind, path: str, shown: str) -> None:
    with alone.client() as client, alone.plain() as plain:
        client.get(path)
        plain.get(path)
    assert [line["path"] for one in (client, plain) for line in alone.log(one, 1)] == [shown, shown]
    assert [path for path in alone.folder.glob("*log*") if TOKEN in path.read_text()] == []


@pytest.mark.parametrize(
    ("path", "taken", "refused"),
    [
        ("/admin/payments/statement/add/", MOST + MEGABYTE, MOST + 21 * MEGABYTE),
        ("/admin/payments/settlementrequest/add/", MOST + MEGABYTE, MOST + 21 * MEGABYTE),
        ("/admin/login/", MEGABYTE, MEGABYTE + 1),
        ("/api/v1/orders/", MEGABYTE, MEGABYTE + 1),
        ("/notify/alipay/my-alipay/", 100_000, 200_000),
        ("/push/sf/x/", 100_000, 200_000),
    ],
)
def test_size_limits_are_the_products(alone: Behind, path: str, taken: int, refused: int) -> None:
    assert (alone.announced(path, taken), alone.announced(path, refused)) == (100, 413)


def test_old_protocols_are_refused() -> None:
    assert re.findall(r"ssl_protocols (.*);", CONF.read_text()) == ["TLSv1.2 TLSv1.3"]


@pytest.mark.django_db
def test_dead_calls_are_read_across_a_rotation(alone: Behind) -> None:
    file = alone.folder / LOG

    def is_written() -> bool:
        return file.stat().st_size > 0

    with alone.client() as client:
        statuses = [client.post("/notify/alipay/first/").status_code]
        call_command("read_access_log", str(file))
        statuses.append(client.post("/notify/alipay/second/").status_code)
        alone.server.rotate(LOG)
        assert wait_until(lambda: client.post("/notify/alipay/third/").is_error and is_written(), 10)
    call_command("read_access_log", str(file))

    assert statuses == [502, 502]
    assert set(DeadCall.objects.values_list("account_slug", flat=True)) == {"first", "second", "third"}
    in_files = {json.loads(line)["id"] for path in file.parent.glob(f"{LOG}*") for line in path.open()}
    assert set(DeadCall.objects.values_list("request_id", flat=True)) <= in_files


@pytest.fixture(scope="module")
def behind(scratch: Path, django_db_setup: None) -> Iterator[Behind]:
    """nginx before a web process and one for providers' calls, on the test database."""
    found = set_up(scratch / "whole")
    subprocess.run([sys.executable, "-m", "scripts.static_files"], cwd=ROOT, check=True, capture_output=True)
    own = {**environment(), "PUBLIC_BASE_URL": found.server.url, "WEB_THREADS": "4", "LOG_LEVEL": "WARNING"}
    programs = [
        subprocess.Popen([WEB], cwd=ROOT, env={**own, **place(found.web_port)}),
        subprocess.Popen([WEB], cwd=ROOT, env={**own, **place(found.notify_port), "SERVES": "notify"}),
    ]
    try:
        found.server.start()
        for port in (found.web_port, found.notify_port):
            assert wait_until(functools.partial(is_port_taken, port), 60)
        yield found
    finally:
        found.server.stop()
        for program in programs:
            kill_family(program.pid)
            program.wait(10)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_page_comes_compressed_over_tls(behind: Behind) -> None:
    with behind.client() as client:
        answer = client.get("/accounts/login/", headers={"accept-encoding": "gzip"})
        bare = client.get("/accounts/login/", headers={"accept-encoding": "identity"})
    assert answer.status_code == 200
    assert (answer.headers["content-encoding"], answer.headers["server"]) == ("gzip", "nginx")
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "content-encoding" not in bare.headers
    assert behind.log(client, 2)[-1]["id"] == bare.headers["x-request-id"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_static_files_are_kept_for_ever(behind: Behind) -> None:
    with behind.client() as client:
        page = client.get("/admin/login/").text
        names = re.findall(r'href="(/static/[^"]+\.css)"', page)
        first = [client.get(name, headers={"accept-encoding": "gzip"}) for name in names]
        again = client.get(names[0], headers={"accept-encoding": "gzip"})
    assert len(names) > 1
    assert {answer.headers["cache-control"] for answer in first} == {"max-age=315360000, public, immutable"}
    assert {answer.headers["content-encoding"] for answer in first} == {"gzip"}
    assert again.content == first[0].content
    # The second time the product was not asked.
    lines = behind.log(client, len(names) + 2)
    assert [line["upstream_status"] for line in lines if line["path"] == names[0]] == ["200", ""]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("over", ["tls", "plain"])
def test_notification_pays_the_order(behind: Behind, over: str) -> None:
    account = build.build_alipay(f"over-{over}")
    payment = build.build_payment(account)
    with behind.client() if over == "tls" else behind.plain() as client:
        answer = client.post(
            f"/notify/alipay/{account.slug}/",
            content=build.alipay_body(payment),
            headers={"content-type": build.FORM},
        )
    assert (answer.status_code, answer.content) == (200, b"success")
    drain_notifications()

    assert Payment.objects.get(pk=payment.pk).status == "paid"
    kept = NotificationBody.objects.get().headers
    assert kept["x-request-id"] == behind.log(client, 1)[0]["id"] == answer.headers["x-request-id"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_log_ins_are_limited(behind: Behind) -> None:
    with behind.client() as client:
        statuses = [client.get("/accounts/login/").status_code for _ in range(30)]
        elsewhere = client.get("/healthz").status_code
    assert (statuses[0], statuses[-1], elsewhere) == (200, 429, 200)
