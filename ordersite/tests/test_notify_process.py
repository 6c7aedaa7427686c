"""A web process for providers' calls alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client

from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def test_serves_webhooks_and_probes_but_no_pages(settings: Any) -> None:
    body = build.alipay_body(build.build_payment(build.build_alipay()))
    settings.ROOT_URLCONF = "ordersite.notify_urls"
    settings.MIDDLEWARE = settings.MIDDLEWARE[:4]
    assert build.post_alipay(body).content == b"success"
    assert Client().get("/healthz").status_code == 200
    for path in (
        "/admin/",
        "/admin/login/",
        "/api/v1/orders/",
        "/shop/orders/",
        "/",
        "/static/x",
        "/push/sf/x/",
    ):
        answer = Client().post(path)
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("serves", "urls", "status"),
    [("notify", "ordersite.notify_urls 7", 0), ("all", "ordersite.urls 16", 0), ("pages", "", 2)],
)
def test_environment_selects_the_served_urls(serves: str, urls: str, status: int) -> None:
    code = "from ordersite import settings as s; print(s.ROOT_URLCONF, len(s.MIDDLEWARE))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.BASE_DIR, env={**os.environ, "SERVES": serves}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == (urls, status)
