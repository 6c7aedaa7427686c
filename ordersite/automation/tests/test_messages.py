"""Rules that write: to the buyer once for a fact, and to staff in a group chat."""

from __future__ import annotations

import pytest

from orders import machine
from orders.tests.builders import build_order, move
from ordersite.automation.actions.messages import SEND_MESSAGE
from ordersite.automation.actions.notices import NOTIFY_STAFF
from ordersite.automation.tests.builders import build_running, results, work
from ordersite.lib.errors import DomainError
from ordersite.messaging.accounts import save_account
from ordersite.messaging.models import BuyerMessage, MessageTemplate
from ordersite.messaging.tests.builders import add_channel, build_message_account, set_channels

pytestmark = pytest.mark.django_db


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop has one channel."""
    add_channel(monkeypatch, "sms_one")
    build_message_account("sms_one")
    set_channels("sms_one")


def send(message: str) -> tuple[dict[str, object], ...]:
    return ({"action": "send_message", "params": {"message": message, "channels": "shop"}},)


@pytest.mark.usefixtures("writes")
def test_what_the_shop_tells_anyway_is_said_once() -> None:
    rule = build_running(actions=send("order.paid"))

    move(build_order(), "pay", machine.NOTIFICATION)
    work()

    assert list(BuyerMessage.objects.values_list("event", flat=True)) == ["order.paid"]
    assert results(rule) == [("send_message", "skipped", "already")]


@pytest.mark.usefixtures("writes")
def test_a_rule_sends_a_text_of_its_own() -> None:
    order = build_order()
    text = MessageTemplate.objects.create(
        merchant=order.merchant, event="rule", name="gift", language="zh-hans", text="{number} 附赠小礼品"
    )
    rule = build_running(actions=send("text:gift"))

    move(order, "pay", machine.NOTIFICATION)
    work()

    assert results(rule) == [("send_message", "done", "")]
    assert BuyerMessage.objects.get(event="rule").template_id == text.pk


def test_a_shop_without_a_channel_is_said_so() -> None:
    rule = build_running(actions=send("order.paid"))

    move(build_order(), "pay", machine.NOTIFICATION)
    work()

    assert results(rule) == [("send_message", "skipped", "no_channel")]


def test_a_robot_writes_the_words_of_the_rule() -> None:
    order = build_order()
    values = {"url": "https://open.feishu.cn/open-apis/bot/v2/hook/x", "secret": "s"}
    save_account("ops-chat", channel="feishu", merchant=order.merchant, data=values)
    params = {"account": "ops-chat", "text": "大额订单，请核对"}
    rule = build_running(actions=({"action": "notify_staff", "params": params},))

    move(order, "pay", machine.NOTIFICATION)
    work()

    notice = BuyerMessage.objects.get(event="staff.notice")
    assert results(rule) == [("notify_staff", "done", "")]
    assert order.number in notice.text
    assert "大额订单，请核对" in notice.text


def test_no_message_and_no_robot_that_is_not_there() -> None:
    with pytest.raises(DomainError):
        SEND_MESSAGE.checked({"message": "text:unheard", "channels": "shop"})
    with pytest.raises(DomainError):
        NOTIFY_STAFF.checked({"account": "unheard", "text": "x"})
