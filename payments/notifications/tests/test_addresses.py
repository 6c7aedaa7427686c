"""Addresses as people type them into a provider's console: slashes are forgiven, anything else leaves a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from payments.models import DeadCall, PaymentNotification, RefusedCall
from payments.notifications.tests.test_access_log import line
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def post(path: str, body: bytes) -> Any:
    # The test client takes what follows two slashes for the name of a host.
    extra: dict[str, Any] = {"PATH_INFO": path} if path.startswith("//") else {}
    return Client().generic("POST", path, data=body, content_type=build.FORM, **extra)


def counted() -> list[tuple[str, str, int]]:
    return list(RefusedCall.objects.order_by("path").values_list("path", "reason", "calls"))


@pytest.mark.parametrize(
    "path",
    [
        "/notify/alipay/demo-alipay",
        "/notify/alipay/demo-alipay//",
        "/notify/alipay/demo-alipay?charset=utf-8",
        "/notify//alipay/demo-alipay/",
        "//notify/alipay/demo-alipay/",
    ],
)
def test_slashes_are_forgiven(path: str) -> None:
    payment = build.build_payment(build.build_alipay())

    answer = post(path, build.alipay_body(payment))

    assert (answer.status_code, answer.content) == (200, b"success")
    assert PaymentNotification.objects.get().reference == payment.reference
    assert counted() == []


@pytest.mark.parametrize(
    "path",
    [
        "/notify/alipay/demo-alipay/index.php",
        "/notify/alipay/demo-alipay%20",
        "/notify/demo-alipay/",
        "/notify/alipayx/demo-alipay/",
        "/notify/Alipay/demo-alipay/",
    ],
)
def test_wrong_address_names_the_account(path: str) -> None:
    payment = build.build_payment(build.build_alipay())

    answer = post(path, build.alipay_body(payment))

    assert (answer.status_code, answer.content) == (404, b"")
    assert counted() == [("/notify/alipay/demo-alipay/", "wrong_address", 1)]


@pytest.mark.parametrize("path", ["/notify", "/notify/", "/notify/nobody/nowhere/x"])
def test_address_of_nobody_is_one_row(path: str) -> None:
    build.build_alipay()
    for number in range(3):
        assert post(f"{path}?{number}", b"a=b").status_code == 404
    assert counted() == [("/notify/*", "unknown_account", 3)]


def test_other_pages_are_not_taken() -> None:
    assert Client().get("/notifying/").status_code == 404
    assert counted() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirected_call_is_lost(tmp_path: Path, status: int) -> None:
    """No provider follows: the proxy's log is the only trace of the call, and names the account."""
    log = tmp_path / "access.json"
    log.write_text(line(status=status, path="/notify/alipay/demo-alipay"))

    call_command("read_access_log", str(log))

    call = DeadCall.objects.get()
    assert (call.status, call.provider, call.account_slug) == (status, "alipay", "demo-alipay")


def test_plain_http_reaches_the_product() -> None:
    """Both servers of the proxy's file pass the calls on; only pages are redirected."""
    text = (settings.BASE_DIR / "deploy" / "nginx.conf").read_text()
    servers = text.split("\nserver {")[1:]
    assert [server.count("proxy_pass http://ordersite_notify;") for server in servers] == [1, 1]
    plain = servers[1]
    assert "listen 80;" in plain
    assert plain.index("location / {") < plain.index("return 301")
    assert "access_log /var/log/nginx/ordersite.json.log ordersite_json;" in plain
