"""The pages of automation: built by a form, refused without the right, in words that staff read."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from orders import machine
from orders.changes import HoldUnshipped
from orders.history.lines import Actor
from orders.tests.builders import apply_changes, build_order, build_order_in, move
from ordersite.automation.catalogue.examples import examples
from ordersite.automation.models import AutomationRule, DryRun, OrderTag, ReleaseRequest, RuleRun
from ordersite.automation.past.run import run_dry_runs
from ordersite.automation.tests.builders import all_of, build_person, build_rule, build_running, over, work

pytestmark = pytest.mark.django_db
LIST = "/admin/automation/automationrule/"


def client_of(role: str, language: str = "zh-hans") -> Client:
    client = Client()
    client.cookies["django_language"] = language
    client.force_login(build_person(role))
    return client


def form(**changes: Any) -> dict[str, Any]:
    """What the builder sends: one condition, one action, and an empty row of each."""
    return {
        "name": "广东大单", "trigger": "order.paid", "most_an_hour": "200", "match": "all",
        "conditions-TOTAL_FORMS": "4", "conditions-INITIAL_FORMS": "0",
        "conditions-0-field": "total_amount", "conditions-0-operator": "greater", "conditions-0-value": "500",
        "conditions-1-field": "province", "conditions-1-operator": "one_of", "conditions-1-value": "广东,广西",
        "conditions-1-block": "1",
        "conditions-2-field": "quantity", "conditions-2-operator": "between", "conditions-2-value": "2",
        "conditions-2-value_to": "9", "conditions-2-block": "1",
        "conditions-3-field": "",
        "actions-TOTAL_FORMS": "2", "actions-INITIAL_FORMS": "0",
        "actions-0-action": "tag", "actions-0-tag__tag": "大单", "actions-0-note__text": "left over",
        "actions-1-action": "",
        **changes,
    }  # fmt: skip


def test_the_builder_saves_what_was_clicked() -> None:
    answer = client_of("operations").post(f"{LIST}add/", form())

    rule = AutomationRule.objects.get()
    assert answer.headers["Location"] == f"{LIST}{rule.pk}/change/"
    assert (rule.name, rule.is_on, rule.owner.username) == ("广东大单", False, "operations")
    assert rule.current
    assert rule.current.conditions == {
        "match": "all",
        "items": [
            {"field": "total_amount", "operator": "greater", "value": 50000},
            {
                "match": "any",
                "items": [
                    {"field": "province", "operator": "one_of", "value": ["广东", "广西"]},
                    {"field": "quantity", "operator": "between", "value": [2, 9]},
                ],
            },
        ],
    }
    assert rule.current.actions == [{"action": "tag", "params": {"tag": "大单"}}]


def test_the_builder_shows_what_was_saved_and_saves_it_unchanged() -> None:
    client = client_of("operations")
    client.post(f"{LIST}add/", form())
    rule = AutomationRule.objects.get()
    first = rule.current
    page = client.get(f"{LIST}{rule.pk}/edit/")
    built = page.context["built"]
    shown = {"based_on": "1", **_values(built.rule), **_rows(built.conditions), **_rows(built.actions)}

    client.post(f"{LIST}{rule.pk}/edit/", shown)

    rule.refresh_from_db()
    assert first
    assert rule.current
    assert (rule.current.number, rule.current.digest) == (2, first.digest)


def _values(one: Any) -> dict[str, Any]:
    shown = {field.html_name: field.value() for field in one}
    return {name: "" if value is None else value for name, value in shown.items()}


def _rows(rows: Any) -> dict[str, Any]:
    return {**_values(rows.management_form), **{k: v for row in rows for k, v in _values(row).items()}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conditions-0-value": "500.001"}, "订单总额"),
        ({"conditions-0-value": "1e3"}, "订单总额"),
        ({"conditions-0-operator": "contains"}, "订单总额"),
        ({"conditions-1-value": "火星"}, "火星"),
        ({"conditions-2-value_to": "1"}, "商品总件数"),
        ({"actions-0-tag__tag": ""}, "标签"),
        ({"actions-0-action": ""}, "动作"),
        ({"trigger": "clock.unshipped"}, "小时"),
        ({"name": "{{ 7*7 }}" * 20}, "80"),
    ],
)
def test_the_builder_says_what_is_wrong(changes: dict[str, str], words: str) -> None:
    answer = client_of("operations").post(f"{LIST}add/", form(**changes))

    assert answer.status_code == 200
    errors = "".join(part.split("</p>")[0] for part in answer.content.decode().split('class="os-error">')[1:])
    assert words in errors
    assert AutomationRule.objects.count() == 0


def test_a_template_in_a_text_is_only_text() -> None:
    """Nothing that staff types is evaluated, neither on the page nor in what the rule writes."""
    evil = "{{ 7*7 }}{% x %}<b>"
    client_of("operations").post(f"{LIST}add/", form(name=evil, **{"actions-0-tag__tag": "{{7*7}}"}))
    rule = AutomationRule.objects.get()

    page = client_of("viewer").get(f"{LIST}{rule.pk}/change/").content.decode()

    assert "{{ 7*7 }}{% x %}&lt;b&gt;" in page
    assert rule.current
    assert rule.current.actions[0]["params"]["tag"] == "{{7*7}}"


def test_without_the_right_nothing_is_built() -> None:
    client, rule = client_of("viewer"), build_rule()

    for path in (f"{LIST}add/", f"{LIST}{rule.pk}/edit/", f"{LIST}{rule.pk}/do/on/"):
        assert client.get(path).status_code == client.post(path, form()).status_code == 403
    assert client.get(f"{LIST}{rule.pk}/change/").status_code == 200
    assert AutomationRule.objects.count() == 1


def test_a_right_that_is_missing_is_named_in_the_form() -> None:
    refund = {"actions-0-action": "request_refund", "actions-0-request_refund__reason": "缺货"}

    answer = client_of("operations").post(f"{LIST}add/", form(**refund))

    assert "您自己没有权限做这件事，规则也不能做：提出退款申请" in answer.content.decode()
    assert AutomationRule.objects.count() == 0


@pytest.mark.parametrize("key", sorted(examples()))
def test_every_example_can_be_saved_as_it_is(key: str) -> None:
    client = client_of("supervisor")
    built = client.get(f"{LIST}add/?example={key}").context["built"]

    client.post(f"{LIST}add/", {**_values(built.rule), **_rows(built.conditions), **_rows(built.actions)})

    rule = AutomationRule.objects.get()
    assert rule.current
    assert rule.current.actions == examples()[key].stored_actions()


def test_from_dry_run_to_switched_on() -> None:
    client = client_of("supervisor")
    order = build_order_in("paid", total="900.00")
    rule = build_rule(conditions=all_of(over(500)))
    page = f"{LIST}{rule.pk}/"

    refused = client.post(f"{page}do/on/").headers["Location"]
    assert "请先查看当前版本的试运行" in client.get(refused).content.decode()
    client.post(f"{page}do/dry_run/", {"days": "7"})
    run_dry_runs()
    dry_run = DryRun.objects.get()
    shown = client.get(f"/admin/automation/dryrun/{dry_run.pk}/change/").content.decode()
    assert order.number in shown
    assert "检查 1 次，本来会执行 1 次" in shown
    client.post(f"/admin/automation/dryrun/{dry_run.pk}/do/looked/")
    client.post(f"{page}do/on/")

    rule.refresh_from_db()
    assert rule.is_running


def test_the_log_says_what_a_run_saw() -> None:
    rule = build_running(conditions=all_of(over(500)))
    move(build_order(total="100.00"), "pay", machine.NOTIFICATION)
    work()

    run = RuleRun.objects.get(rule=rule)
    page = client_of("viewer").get(f"/admin/automation/rulerun/{run.pk}/change/").content.decode()

    assert "条件不满足" in page
    assert "¥100.00" in page
    assert "订单总额 大于 ¥500.00" in page


def test_tags_are_shown_and_filtered_by() -> None:
    tagged, plain = build_order_in("paid"), build_order_in("paid")
    build_rule()
    OrderTag.objects.create(order=tagged, name="大单")
    client = client_of("viewer")

    found = client.get("/admin/orders/order/?tag=大单").content.decode()

    assert tagged.number in found
    assert plain.number not in found
    assert "大单" in client.get(f"/admin/orders/order/{tagged.pk}/change/").content.decode()


def test_a_proposed_release_takes_a_second_person() -> None:
    owner = build_person("supervisor")
    build_running("order.stopped", actions=({"action": "propose_release", "params": {"reason": "老客户"}},))
    order = build_order_in("paid")
    apply_changes(HoldUnshipped(order.pk, Actor("staff", "someone"), "x"))
    work()
    request = ReleaseRequest.objects.get()
    address = f"/admin/automation/releaserequest/{request.pk}/do/approve/"
    own, other = Client(), Client()
    own.force_login(owner)
    other.force_login(build_person("supervisor", name="second"))

    own.post(address, {"reason": "自己同意"})
    order.refresh_from_db()
    assert order.held
    other.post(address, {"reason": "核对过"})

    order.refresh_from_db()
    request.refresh_from_db()
    assert (order.held, request.status, request.proposer) == (False, "approved", owner)
