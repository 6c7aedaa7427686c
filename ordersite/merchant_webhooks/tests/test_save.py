"""Endpoints are saved only with addresses outside and known events; their secrets are sealed and shown once."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.tests.test_outgoing_addresses import INSIDE, OF_THIS_MACHINE, resolve_as
from ordersite.lib.webhooks.signature import secret_bytes
from ordersite.merchant_webhooks.call import call
from ordersite.merchant_webhooks.judge import judge
from ordersite.merchant_webhooks.models import WebhookDelivery, WebhookEndpoint
from ordersite.merchant_webhooks.save import add_endpoint, change_endpoint, rotate_secret
from ordersite.merchant_webhooks.trial import queue_test
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/orders?robot=7"


@pytest.fixture
def production(settings: Any) -> Any:
    """The settings of a real shop: no network is excepted."""
    settings.OUTGOING_ALLOWED_NETWORKS, settings.DEMO_SHOP = (), False
    return settings


def refusal(url: str = URL, events: tuple[str, ...] = ("order.paid",)) -> str:
    with pytest.raises(DomainError) as caught:
        add_endpoint(build_merchant(), url=url, events=events)
    return caught.value.code


@pytest.mark.parametrize("host", [*OF_THIS_MACHINE, *INSIDE])
def test_no_address_inside_is_saved(host: str, production: Any) -> None:
    assert refusal(f"https://{host}/") == "bad_endpoint"
    endpoint = add_endpoint(build_merchant(), url=URL, events=["order.paid"]).endpoint

    with pytest.raises(DomainError):
        change_endpoint(endpoint, url=f"https://{host}/", events=["order.paid"])

    assert WebhookEndpoint.objects.get().url == URL


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "ftp://a.example.com/", "https://me:pw@a.example.com/", "", "https://a/ b"],
)
def test_only_plain_https_is_saved(url: str, production: Any) -> None:
    assert refusal(url) == "bad_endpoint"
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_inside_is_not_called(
    inside: str, production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = add_endpoint(build_merchant(), url=URL, events=["order.paid"]).endpoint
    queue_test(endpoint)
    called = resolve_as(monkeypatch, [inside])
    [sending] = judge([WebhookDelivery.objects.get().pk])

    reply = call(sending)

    assert (called, reply.status, reply.words) == (["hooks.example.com"], None, "bad_address")


def test_events_are_those_of_the_catalogue() -> None:
    assert refusal(events=()) == "bad_endpoint"
    assert refusal(events=("order.paid", "order.eaten")) == "bad_endpoint"
    assert refusal(events=("webhook.test",)) == "bad_endpoint"
    assert not WebhookEndpoint.objects.exists()


def test_an_address_stands_once_for_a_merchant() -> None:
    add_endpoint(build_merchant(), url=URL, events=["order.paid"])

    assert refusal() == "endpoint_exists"

    add_endpoint(build_merchant("other"), url=URL, events=["order.paid"])
    assert WebhookEndpoint.objects.count() == 2


def test_the_secret_is_sealed_and_audited_as_a_fingerprint() -> None:
    saved = add_endpoint(build_merchant(), url=URL, events=["order.paid"], by=User(username="ada"))
    key = saved.secret.removeprefix("whsec_")

    assert len(secret_bytes(saved.secret)) == 32
    row = WebhookEndpoint.objects.get()
    assert key not in row.sealed_secrets
    assert row.signing_secrets(timezone.now()) == (saved.secret,)
    entries = AuditEntry.objects.filter(table_name="merchant_webhooks_webhookendpoint")
    assert sorted(entries.values_list("column_name", flat=True)) == ["events", "secret", "url"]
    assert not any(key in (entry.new_value or "") for entry in entries)
    assert str(row) == "hooks.example.com"


def test_secrets_of_two_rotations_sign_along() -> None:
    saved = add_endpoint(build_merchant(), url=URL, events=["order.paid"])
    second = rotate_secret(saved.endpoint).secret
    third = rotate_secret(saved.endpoint)

    assert third.endpoint.signing_secrets(timezone.now()) == (third.secret, second, saved.secret)
    assert third.endpoint.rotating_until is not None


def test_the_command_prints_the_secret_as_its_last_word() -> None:
    build_merchant("shop")
    printed = StringIO()
    options = ["--merchant", "shop", "--url", URL]
    call_command("add_webhook_endpoint", *options, "--event", "order.paid", "order.shipped", stdout=printed)
    first = printed.getvalue().split()[-1]

    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.events == ["order.paid", "order.shipped"]
    assert endpoint.signing_secrets(timezone.now()) == (first,)

    call_command("add_webhook_endpoint", *options, "--rotate", stdout=printed)
    endpoint.refresh_from_db()
    assert endpoint.signing_secrets(timezone.now()) == (printed.getvalue().split()[-1], first)
    for wrong in (["--merchant", "none", "--url", URL], [*options, "--event", "order.paid"]):
        with pytest.raises(CommandError):
            call_command("add_webhook_endpoint", *wrong)
