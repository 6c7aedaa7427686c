"""What docs/en/webhooks.md and its Chinese twin say is what we send; the example receiver takes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from orders.tests.builders import build_order_in
from ordersite.automation.engine.execute import run_actions
from ordersite.automation.engine.run import run_rules
from ordersite.automation.tests.builders import build_running
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers
from ordersite.merchant_webhooks import catalogue
from ordersite.merchant_webhooks.events import handle_event
from ordersite.merchant_webhooks.models import EventMessage
from ordersite.merchant_webhooks.pause import PAUSE_AFTER
from ordersite.merchant_webhooks.record import GIVE_UP_AFTER, PAUSES
from ordersite.merchant_webhooks.save import ROTATION, add_endpoint
from ordersite.queue.relay import Delivered
from sandbox.tests.running import call, free_port, wait_for

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {name: (DOCS / name / "webhooks.md").read_text(encoding="utf-8") for name in ("en", "zh")}
SECRET = "whsec_" + "A" * 43 + "="


def example(page: str, number: int = 0) -> dict[str, object]:
    found: dict[str, object] = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[number])
    return found


def keys_of(value: object) -> object:
    """The keys of a JSON value, in depth and in their order; a list by its first row."""
    if isinstance(value, dict):
        return {name: keys_of(item) for name, item in value.items()}
    return [keys_of(value[0])] if isinstance(value, list) and value else None


@pytest.mark.django_db
@pytest.mark.parametrize("kind", catalogue.EVENTS, ids=[one.name for one in catalogue.EVENTS])
def test_examples_have_the_keys_that_are_sent(kind: catalogue.EventType) -> None:
    order = build_order_in("paid")
    add_endpoint(order.merchant, url="https://hooks.example.com/", events=[kind.name])
    parcel = {"order": order.pk, "carrier": "yto", "tracking_number": "YT1000000000001"}
    event = Delivered(1, kind.flow, 9 if kind.has_shipment else order.pk, timezone.now(), parcel)

    handle_event([event])

    sent, shown = json.loads(EventMessage.objects.get().body), example(PAGES["en"])
    more = {"shipment": {"carrier": None, "tracking_number": None}} if kind.has_shipment else {}
    expected = keys_of(shown)
    assert isinstance(expected, dict)
    assert keys_of(sent) == {**expected, "data": {**expected["data"], **more}}
    assert set(sent["data"]) == set(kind.data_keys)
    assert sent["type"] == kind.name


@pytest.mark.django_db
def test_the_example_of_a_rule_has_the_keys_that_are_sent() -> None:
    order = build_order_in("paid")
    endpoint = add_endpoint(order.merchant, url="https://hooks.example.com/", events=["order.paid"]).endpoint
    params = {"endpoint": str(endpoint.pk), "text": "核对地址"}
    rule = build_running(actions=({"action": "call_webhook", "params": params},))
    run_rules([Delivered(1, "order.paid", order.pk, timezone.now(), {})])
    run_actions()

    sent, shown = json.loads(EventMessage.objects.get().body), example(PAGES["en"], 1)
    assert keys_of(sent) == keys_of(shown)
    assert (sent["type"], shown["type"]) == (catalogue.RULE_MATCHED, catalogue.RULE_MATCHED)
    assert sent["data"] == {"order": order.number, "rule": rule.name, "text": "核对地址"}


def test_both_languages_show_the_same() -> None:
    english, chinese = PAGES["en"], PAGES["zh"]

    assert re.findall(r"```.*?```", english, re.DOTALL) == re.findall(r"```.*?```", chinese, re.DOTALL)
    for page in PAGES.values():
        assert re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE) == ["type", *catalogue.BY_NAME]


def test_the_numbers_are_ours() -> None:
    assert [pause.total_seconds() for pause in PAUSES] == [5, 30, 120, 600, 1800, 3600, 7200]
    assert {GIVE_UP_AFTER, PAUSE_AFTER, ROTATION} == {timedelta(hours=24)}
    assert "5 s, 30 s, 2 min, 10 min, 30 min, 1 h, then every 2 h" in PAGES["en"]
    assert "5 秒、30 秒、2 分钟、10 分钟、30 分钟、1 小时，之后每 2 小时一次" in PAGES["zh"]
    assert f"Version {catalogue.VERSION} of the catalogue" in PAGES["en"]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The example receiver as a process; its address, and the file of what it prints."""
    port, printed = free_port(), tmp_path / "printed"
    command = [sys.executable, str(DOCS / "examples" / "webhook_receiver.py"), str(port)]
    with printed.open("w") as output:
        process = subprocess.Popen(command, env={**os.environ, "WEBHOOK_SECRET": SECRET}, stdout=output)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: answers(url))
        yield url, printed
    finally:
        process.terminate()
        process.wait(timeout=10)


def answers(url: str) -> bool:
    try:
        return call("POST", url).status == 401
    except OSError:
        return False


def test_the_example_takes_what_is_genuine_once(receiver: tuple[str, Path]) -> None:
    url, printed = receiver
    body = json.dumps(example(PAGES["en"])).encode()
    ours = signed_headers(
        secret_bytes(SECRET),
        body,
        message_id="msg_1",
        at=timezone.now(),
        older_keys=[b"x" * 32],
    )
    now = datetime.now(UTC)
    independent = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_2", now, body.decode()),
    }

    for headers in (ours, ours, independent):
        assert call("POST", url, body=body, headers=headers).status == 204
    wrong = {**independent, "webhook-id": "msg_3"}
    old = signed_headers(secret_bytes(SECRET), body, message_id="msg_4", at=datetime(2026, 1, 1, tzinfo=UTC))
    for headers in (wrong, old, {}):
        assert call("POST", url, body=body, headers=headers).status == 401

    assert printed.read_text().split() == [
        "msg_1", "order.paid", "20261130-AB12-0003", "msg_2", "order.paid", "20261130-AB12-0003",
    ]  # fmt: skip
