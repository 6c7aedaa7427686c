"""What docs/*/checkout.md tells shops is what the API answers: its call is made, its bodies are sent."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from orders import clients
from orders.errors import OrderRefused, RequestInProgress
from orders.models import ApiClient, Order
from orders.tests.builders import build_merchant
from ordersite.lib.api import errors
from scripts.env_file import ROOT
from scripts.tests.doc_commands import LANGUAGES, blocks, page

pytestmark = [pytest.mark.django_db, pytest.mark.parametrize("language", LANGUAGES)]
ATTRIBUTE = re.compile(r"data-[a-z-]+")


def json_blocks(language: str) -> list[Any]:
    return [json.loads(block.text) for block in blocks(language, "checkout") if block.kind == "json"]


def refusal(language: str, code: str) -> Any:
    return next(one for one in json_blocks(language) if one.get("code") == code)


def meaning(answer: Any) -> tuple[str, Any]:
    """What programs read of a refusal; beside it there is a sentence for people."""
    assert answer["message"]
    return answer["code"], answer["details"]


class FollowingShop:
    """Somebody who follows the page: the call as it is written, from a server that is on this machine."""

    def __init__(self, language: str, **changes: Any) -> None:
        self.row, self.token = clients.add_client(build_merchant(), name="docs", scopes=["orders:write"])
        (call,) = (block.text for block in blocks(language, "checkout") if block.kind == "bash")
        words = shlex.split(call.replace("\\\n", " ").replace("$TOKEN", self.token))
        self.path = urlsplit(next(word for word in words if word.startswith("https://"))).path
        given = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
        self.headers = dict(header.split(": ", 1) for header in given)
        assert words[words.index("--data") + 1] == "@order.json"
        self.body = json_blocks(language)[0] | changes

    def send(self, *, key: str = "", without: str = "", **changes: Any) -> Any:
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        headers.pop(without, None)
        content_type = headers.pop("Content-Type")
        return Client(headers=headers).post(self.path, json.dumps(self.body | changes), content_type)


def assert_shown(shown: Any, answered: Any) -> None:
    """What the page shows is there, of the same kind; there may be more."""
    assert type(shown) is type(answered)
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert_shown(value, answered[key])
    elif isinstance(shown, list):
        for value, other in zip(shown, answered, strict=True):
            assert_shown(value, other)


def test_order_is_made_once(language: str) -> None:
    shop, shown = FollowingShop(language), json_blocks(language)[1]

    made, again = shop.send(), shop.send()

    assert (made.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert_shown(shown, made.json())
    same = ("status", "held", "total_amount")
    assert [made.json()[name] for name in same] == [shown[name] for name in same]
    assert again.json()["number"] == made.json()["number"]
    order = Order.objects.get()
    assert (order.device_id, order.client_ip) == (shop.body["device_id"], shop.body["client_ip"])
    for name, path in (("page", "/shop/orders/"), ("tracking", "/track/")):
        assert urlsplit(shown["links"][name]).path.startswith(path)
        assert made.json()["links"][name].startswith(settings.PUBLIC_BASE_URL + path)


def test_twin_leads_to_the_first(language: str) -> None:
    shop, shown = FollowingShop(language), refusal(language, "duplicate_suspected")
    number = shop.send().json()["number"]

    twin = shop.send(key="another")
    confirmed = shop.send(key="a third", **next(one for one in json_blocks(language) if len(one) == 1))

    assert twin.status_code == 409
    assert meaning(twin.json()) == (shown["code"], {"order_number": number})
    assert list(shown["details"]) == ["order_number"]
    assert (confirmed.status_code, Order.objects.count()) == (201, 2)


def test_other_body_is_refused(language: str) -> None:
    shop = FollowingShop(language)
    shop.send()

    answer = shop.send(client_ip="203.0.113.10")

    assert answer.status_code == 422
    assert meaning(answer.json()) == meaning(refusal(language, "idempotency_key_reused"))
    assert Order.objects.count() == 1


def test_mistakes_are_named(language: str) -> None:
    shop = FollowingShop(language)
    line = {**shop.body["lines"][0], "quantity": 0}

    wrong, keyless = shop.send(lines=[line]), shop.send(without="Idempotency-Key")

    assert wrong.status_code == 400
    assert meaning(wrong.json()) == meaning(refusal(language, "invalid"))
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing")
    assert f"`{keyless.json()['code']}`" in page(language, "checkout").read_text(encoding="utf-8")
    assert shop.send().status_code == 201  # the key is free


def test_too_many_calls_say_when(language: str) -> None:
    shop = FollowingShop(language)
    ApiClient.objects.filter(pk=shop.row.pk).update(requests_per_second=1)

    answer = next(one for one in (shop.send() for _n in range(20)) if one.status_code == 429)

    shown = refusal(language, "throttled")
    assert (answer.json()["code"], int(answer.headers["Retry-After"]) > 0) == (shown["code"], True)
    assert_shown(shown, answer.json())


def test_waiting_refusals_say_when(language: str) -> None:
    for error, seconds in ((RequestInProgress(), "1"), (OrderRefused(300), "300")):
        answer = errors.handle(error, {})

        assert (answer.status_code, answer.headers["Retry-After"]) == (409, seconds)
        assert meaning(answer.data) == meaning(refusal(language, error.code))


def test_script_reads_the_named_attributes(language: str) -> None:
    """The page's form has every attribute of the script, the table explains each, and there is no other."""
    script = (ROOT / "static" / "ordersite" / "submit-once.js").read_text(encoding="utf-8")
    text = page(language, "checkout").read_text(encoding="utf-8")
    (form,) = (block.text for block in blocks(language, "checkout") if block.kind == "html")
    read = set(ATTRIBUTE.findall(script)) | {f"data-{name}" for name in re.findall(r"dataset\.(\w+)", script)}

    assert set(ATTRIBUTE.findall(form)) == read
    assert {name for name in read if f"`{name}`" in text} == read
