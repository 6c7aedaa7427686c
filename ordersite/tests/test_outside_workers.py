"""Providers that never finish an answer hold no notification of anybody: the workers of the Procfile, for real."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from honcho.environ import parse_procfile

from orders.tests.web import environment
from ordersite.lib.tests.drip import dripping
from ordersite.tests.site import eventually
from payments.models import Payment
from payments.tests import builders as build
from payments.tests.fake_provider import due_payment
from scripts.env_file import ROOT
from scripts.processes import kill_family

ACCOUNTS = 6
# Calls at a time: one run of the poller makes eight, so each of two processes would be held.
TWO_RUNS = 16
APPLIED_WITHIN = 5


@contextlib.contextmanager
def running(folder: Path, *names: str) -> Iterator[None]:
    """These programs of the Procfile, on the test database and with a broker of their own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {**environment(), "CELERY_BROKER_URL": "", "VAR_DIR": str(folder), "PATH": path}
    commands = parse_procfile((ROOT / "Procfile").read_text()).processes
    programs = [
        subprocess.Popen(["sh", "-c", f"exec {commands[name]}"], cwd=ROOT, env=own, start_new_session=True)
        for name in names
    ]
    try:
        yield
    finally:
        for program in programs:
            kill_family(program.pid)
            program.wait(10)


@pytest.mark.postgres
@pytest.mark.serial
@pytest.mark.django_db(transaction=True)
def test_dripping_providers_hold_no_notification(tmp_path: Path) -> None:
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a", every=1) as provider,
        running(tmp_path, "worker", "outside", "beat"),
    ):
        for number in range(ACCOUNTS):
            url = f"http://127.0.0.1:{provider.port}/query"
            account = build.build_webhook(f"drip-{number}", query_url=url)
            for _payment in range(4):
                due_payment(account)
        assert eventually(lambda: len(provider.accepted) >= TWO_RUNS, 30, 0.1)

        payment = build.build_payment(build.build_alipay())
        assert build.post_alipay(build.alipay_body(payment)).content == b"success"

        paid = Payment.objects.filter(pk=payment.pk, status="paid")
        assert eventually(paid.exists, APPLIED_WITHIN, 0.1)


def test_each_task_that_calls_outside_has_its_queue() -> None:
    outside = {name for name, route in settings.CELERY_TASK_ROUTES.items() if route["queue"] == "outside"}
    assert outside == {
        "payments.ask_providers",
        "payments.order_refunds",
        "payments.fetch_bills",
        "payments.send_staff_mail",
        "logistics.poll_tracking",
        "logistics.resolve_waybills",
        "logistics.push_dispatches",
        "merchant_webhooks.send",
        "messaging.send_messages",
    }


def test_every_deployment_starts_both_workers() -> None:
    texts = [
        (ROOT / name).read_text() for name in ("Procfile", "README.md", "README.zh-CN.md", "compose.yaml")
    ]
    for text in texts:
        plain = text.replace(",", "")
        assert "worker --queues ordersite" in plain
        assert "worker --queues outside" in plain
