"""A rule writes over WeChat, else by SMS: from the payment to what the buyer got at the vendors of the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders import machine
from orders.models import Order
from orders.tests.builders import build_merchant, build_order, move
from ordersite.automation.models import AutomationRule
from ordersite.automation.tests.builders import all_of, build_running, over, results, work
from ordersite.messaging.models import BuyerMessage, MessageTemplate
from ordersite.messaging.tests.builders import send, set_channels
from ordersite.messaging.tests.vendors import add_account, add_template, fault, inbox_of
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
GUANGDONG = {"field": "province", "operator": "one_of", "value": ["广东"]}
TEXT = "尊敬的顾客，订单{order_number}已安排优先发货。"


def build_channels(box: Running, tmp_path: Path) -> None:
    """The shop has WeChat and SMS with a text of its own for rules; by itself it writes e-mails alone."""
    add_template(box, "wechat", "TPL-vip", "character_string1 thing2")
    add_template(box, "aliyun_sms", "SMS_VIP", TEXT.replace("{", "${"))
    for channel, template in (("wechat_template", "TPL-vip"), ("aliyun_sms", "SMS_VIP")):
        add_account(box, tmp_path, channel, templates={"vip": template})
    set_channels("email")
    MessageTemplate.objects.create(
        merchant=build_merchant(), event="rule", name="vip", text=TEXT,
        wechat="character_string1: {order_number}\nthing2: 已安排优先发货",
    )  # fmt: skip


@pytest.fixture
def rule(box: Running, tmp_path: Path) -> AutomationRule:
    """Paid, over 500, Guangdong: WeChat message, else SMS."""
    build_channels(box, tmp_path)
    action = {"action": "send_message", "params": {"message": "text:vip", "channels": "wechat_sms"}}
    return build_running(conditions=all_of(over(500), GUANGDONG), actions=(action,))


def pay(*, openid: str = "oReader-0001", total: str = "600.00", province: str = "广东省") -> Order:
    order = build_order(total=total)
    order.buyer.openid = openid
    order.buyer.save()
    Order.objects.filter(pk=order.pk).update(province=province)
    move(order, "pay", machine.NOTIFICATION)
    work()
    send()
    return order


def got(box: Running, order: Order) -> list[tuple[str, str]]:
    return [(one["channel"], one["recipient"]) for one in inbox_of(box, order)]


def test_a_follower_gets_it_over_wechat(box: Running, rule: AutomationRule) -> None:
    order = pay()

    assert got(box, order) == [("wechat_template", "oReader-0001")]
    assert results(rule) == [("send_message", "done", "")]


@pytest.mark.parametrize("problem", ["not_follower", "bad_number", "no_openid"])
def test_who_wechat_does_not_reach_gets_an_sms(box: Running, rule: AutomationRule, problem: str) -> None:
    if problem != "no_openid":
        fault(box, "wechat_template.send", problem)

    order = pay(openid="" if problem == "no_openid" else "oReader-0001")

    assert got(box, order) == [("aliyun_sms", "13800138000")]
    assert inbox_of(box, order)[0]["text"] == f"【演示商店】尊敬的顾客，订单{order.number}已安排优先发货。"
    message = BuyerMessage.objects.get(order=order, event="rule")
    assert (message.status, message.given_up) == (
        "sent",
        [] if problem == "no_openid" else ["wechat_template"],
    )


@pytest.mark.parametrize(("total", "province"), [("500.00", "广东省"), ("600.00", "浙江省")])
def test_others_get_none(box: Running, rule: AutomationRule, total: str, province: str) -> None:
    order = pay(total=total, province=province)

    assert got(box, order) == []
    assert not BuyerMessage.objects.filter(event="rule").exists()
