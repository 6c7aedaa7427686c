"""After `rotate_keys` nothing needs the old key any more."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from logistics.models import CarrierAccount, CarrierNotification, PushBody, Warehouse
from logistics.models.notification import routes_place
from logistics.tests.builders import build_account, build_warehouse
from orders.models import ChangeRequest
from ordersite.installation.rotate_keys import BODIES, TEXTS
from ordersite.lib.crypto import CannotDecrypt, KeyRing
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.messaging.models import MessageAccount
from ordersite.messaging.senders.types import AccessToken
from ordersite.messaging.sending.tokens import keep_token, token_of
from ordersite.outside_accounts.secrets import seal, unseal
from ordersite.people.models import Authenticator, open_key, seal_key
from payments.models import NotificationBody, PaymentAccount
from payments.tests.builders import build_payment, build_webhook, post_webhook, webhook_call
from sandbox.tests.nobody import nobody
from scripts import env_file

pytestmark = pytest.mark.django_db


def new_ring(name: str, *older: str) -> str:
    key = env_file.new_values()["FIELD_ENCRYPTION_KEYS"].partition(":")[2]
    return ",".join([f"{name}:{key}", *older])


@pytest.fixture
def old_key(settings: Any) -> str:
    text = new_ring("old")
    settings.KEY_RING = KeyRing.parse(text)
    return text


@pytest.fixture
def stored(old_key: str) -> NotificationBody:
    """One row of each kind, sealed with the old key."""
    account = build_webhook()
    pushed_to = build_account(f"{nobody()}/query.do")
    push = CarrierNotification.objects.create(account=pushed_to, check_result="verified", body_digest="ab")
    raw = PushBody(notification=push)
    raw.body = b"pushed"
    raw.sealed_routes = project.KEY_RING.seal_bytes(b"[]", bound_to=routes_place(raw.place))[1]
    raw.save()
    warehouse = build_warehouse()
    warehouse.seal_secrets({"secret": "SIGN"})
    warehouse.save()
    person = User.objects.create_user("agent", is_staff=True)
    Authenticator.objects.create(user=person, sealed_key=seal_key("ABCDEFGH", user_id=person.pk))
    ChangeRequest.objects.create(
        kind=ChangeRequest.Kind.ACCOUNT, subject="a", proposer=person,
        sealed_values=seal({"k": "v"}, table="orders_changerequest", slug="a"),
    )  # fmt: skip
    robot = MessageAccount(slug="robot", channel="wecom", merchant=account.merchant, push_token_digest="ab")
    robot.seal_secrets({"url": "https://robot.example"})
    robot.save()
    keep_token(robot, AccessToken("TOKEN", timezone.now() + timedelta(hours=2)))
    receiver = WebhookEndpoint(slug="receiver", merchant=account.merchant, url="https://shop.example/hook")
    receiver.seal_secrets({"secret": "whsec_old"})
    receiver.save()
    post_webhook(*webhook_call(build_payment(account)))
    return NotificationBody.objects.get()


def rotate() -> list[str]:
    out = io.StringIO()
    call_command("rotate_keys", stdout=out, stderr=out)
    return out.getvalue().splitlines()


def test_everything_opens_without_the_old_key(stored: NotificationBody, old_key: str, settings: Any) -> None:
    before, body = PaymentAccount.objects.get().open_secrets(), stored.body
    new = new_ring("new")
    settings.KEY_RING = KeyRing.parse(f"{new},{old_key}")
    assert {line.rpartition(": ")[2] for line in rotate()} == {"1 sealed again"}
    settings.KEY_RING = KeyRing.parse(new)
    assert PaymentAccount.objects.get().open_secrets() == before
    assert CarrierAccount.objects.get().open_secrets()["key"] == "KEY"
    assert Warehouse.objects.get().open_secrets() == {"secret": "SIGN"}
    robot = MessageAccount.objects.get()
    assert robot.open_secrets() == {"url": "https://robot.example"}
    assert token_of(robot, now=timezone.now()) == "TOKEN"
    assert WebhookEndpoint.objects.get().open_secrets() == {"secret": "whsec_old"}
    person = Authenticator.objects.get()
    assert open_key(person.sealed_key, user_id=person.user_id) == "ABCDEFGH"
    request = ChangeRequest.objects.get()
    assert unseal(request.sealed_values, table="orders_changerequest", slug="a") == {"k": "v"}
    assert NotificationBody.objects.get(pk=stored.pk).body == body
    push = PushBody.objects.get()
    assert (push.body, push.routes) == (b"pushed", b"[]")
    assert {line.rpartition(": ")[2] for line in rotate()} == {"0 sealed again"}


def test_what_no_key_opens_stays_and_is_named(stored: NotificationBody, settings: Any) -> None:
    before = list(PaymentAccount.objects.values_list("sealed_secrets", flat=True))
    settings.KEY_RING = KeyRing.parse(new_ring("new"))
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("rotate_keys", stdout=out, stderr=out)
    assert ended.value.code == 1
    assert "payments_paymentaccount: 1 cannot be read (key old)" in out.getvalue()
    assert "payments_notificationbody: 1 cannot be read (key old)" in out.getvalue()
    assert list(PaymentAccount.objects.values_list("sealed_secrets", flat=True)) == before
    with pytest.raises(CannotDecrypt):
        PaymentAccount.objects.get().open_secrets()


def test_no_sealed_column_is_forgotten() -> None:
    found = {
        (model, column.name)
        for model in apps.get_models()
        for column in model._meta.get_fields()
        if column.name.startswith("sealed_") and not column.name.endswith("_at")
    }
    known = {(column.model, column.name) for column in TEXTS} | {
        (model, name) for model in BODIES for name in model.SEALED
    }
    assert found == known
