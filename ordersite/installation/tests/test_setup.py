"""`manage.py setup`: the first rows of an installation from a file, and by questions."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import translation

from logistics.models import CarrierAccount, Warehouse
from orders.models import ApiClient, Merchant, MoneyLimit
from ordersite.installation import apply, plan
from ordersite.installation.guide import Guide
from ordersite.queue.models import AuditEntry
from payments.models import PaymentAccount

pytestmark = pytest.mark.django_db
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CARRIER = {"customer": "C", "key": "K", "query_url": "https://poll.kuaidi100.com/poll/query.do"}


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


def whole_plan() -> dict[str, Any]:
    """The example of the command, with accounts whose keys can be made here."""
    values: dict[str, Any] = json.loads(plan.EXAMPLE)
    values["payment_accounts"] = [{"provider": "webhook", "slug": "my-hook", "keys": {"secret": SECRET}}]
    values["carrier_accounts"] = [{"carrier": "kuaidi100", "slug": "my-parcels", "keys": CARRIER}]
    values["people"][0]["password"] = "a long passphrase 7"
    return values


def set_up(values: dict[str, Any], folder: Path) -> list[str]:
    """Run the command with this plan; returns the lines that it wrote."""
    file, output = folder / "plan.json", io.StringIO()
    file.write_text(json.dumps(values))
    call_command("setup", "--from-json", str(file), "--language", "en", stdout=output)
    return output.getvalue().splitlines()


def counts() -> list[int]:
    models = (Merchant, Warehouse, PaymentAccount, CarrierAccount, User, MoneyLimit, ApiClient)
    return [model._default_manager.count() for model in models]


def test_empty_installation_is_filled(tmp_path: Path) -> None:
    lines = set_up(whole_plan(), tmp_path)

    assert counts() == [1, 1, 1, 1, 6, 1, 1]
    said = "\n".join(lines)
    assert "/notify/webhook/my-hook/" in said
    assert "/push/kuaidi100/" in said
    assert "agent:propose_settlement made: 500.00" in said
    assert User.objects.get(username="admin").check_password("a long passphrase 7")
    assert "a long passphrase 7" not in said
    made = next(line for line in lines if "finance2" in line).split()[-1]
    assert User.objects.get(username="finance2").check_password(made)
    assert User.objects.get(username="finance2").groups.get().name == "finance"
    token = next(line for line in lines if "API client" in line).split()[-1]
    assert Client().get("/api/v1/orders/", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_people_and_limits_are_audited(tmp_path: Path) -> None:
    set_up(whole_plan(), tmp_path)

    tables = set(AuditEntry.objects.values_list("table_name", flat=True))
    assert {"auth_user", "payments_moneylimit", "payments_paymentaccount", "orders_apiclient"} <= tables
    assert not AuditEntry.objects.filter(new_value__contains=SECRET).exists()


def test_again_changes_nothing(tmp_path: Path) -> None:
    set_up(whole_plan(), tmp_path)
    before, changes, passwords = (
        counts(),
        AuditEntry.objects.count(),
        list(User.objects.values_list("password")),
    )

    lines = set_up(whole_plan(), tmp_path)

    assert (counts(), AuditEntry.objects.count()) == (before, changes)
    assert list(User.objects.values_list("password")) == passwords
    assert [line for line in lines if line.startswith("+")] == []
    assert "Nothing was missing." in lines
    assert any("my-hook is there: http" in line for line in lines)


def test_again_adds_what_is_missing(tmp_path: Path) -> None:
    set_up(whole_plan(), tmp_path)
    Warehouse.objects.all().delete()
    User.objects.get(username="finance2").delete()

    made = [line for line in set_up(whole_plan(), tmp_path) if line.startswith("+")]

    assert [line.split()[2] for line in made] == ["main", "finance2"]


def without(name: str) -> Any:
    return lambda values: values.pop(name)


def put(value: Any, *path: Any) -> Any:
    def change(values: Any) -> None:
        for step in path[:-1]:
            values = values[step]
        values[path[-1]] = value

    return change


WRONG = {
    "merchant.slug: must be up to 40": put("my shop", "merchant", "slug"),
    "merchant.name: is missing": put("", "merchant", "name"),
    "merchant: must be an object": put("my-shop", "merchant"),
    "merchant: is missing, and there is none": without("merchant"),
    "warehouses: must be a list": put({}, "warehouses"),
    "shops: is not known here": put([], "shops"),
    "people[2].role: must be one of administrator": put("boss", "people", 2, "role"),
    "people[3].username: stands there twice": put("finance1", "people", 3, "username"),
    "people[1].email: is no mail address": put("service", "people", 1, "email"),
    "people[0].password: This password is too short": put("short 1", "people", 0, "password"),
    "people[1].age: is not known here": put(30, "people", 1, "age"),
    "payment_accounts[0]: ": put("whsec_short", "payment_accounts", 0, "keys", "secret"),
    "payment_accounts[0]: There is no payment": put("paypal", "payment_accounts", 0, "provider"),
    "payment_accounts[0]: needs either file or keys": put("x.json", "payment_accounts", 0, "file"),
    "carrier_accounts[0]: There is no connector": put("ups", "carrier_accounts", 0, "carrier"),
    "money_limits[0].amount: must be yuan": put("1e3", "money_limits", 0, "amount"),
    "money_limits[0].amount: must not be negative": put("-1", "money_limits", 0, "amount"),
    "money_limits[0].action: must be one of": put("spend", "money_limits", 0, "action"),
    "api_clients[0].scopes: must be a list of orders:read": put(["all"], "api_clients", 0, "scopes"),
}  # fmt: skip


@pytest.mark.parametrize(
    "said", list(WRONG), ids=[said.partition(": ")[0] + said.partition(": ")[2][:12] for said in WRONG]
)
def test_mistakes_are_named_and_nothing_is_made(tmp_path: Path, said: str) -> None:
    values = copy.deepcopy(whole_plan())
    WRONG[said](values)

    with pytest.raises(CommandError) as refused:
        set_up(values, tmp_path)

    assert any(line.startswith(said) for line in str(refused.value).splitlines()), str(refused.value)
    assert counts() == [0] * 7


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    values = whole_plan()
    values["merchant"]["slug"] = "my shop"
    values["people"][1]["role"] = "boss"

    with pytest.raises(CommandError) as refused:
        set_up(values, tmp_path)

    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "merchant.slug",
        "people[1].role",
    ]


def test_file_of_an_account_is_named(tmp_path: Path) -> None:
    """Relative names begin at the plan; a file that is missing or no JSON stops before anything is made."""
    values = whole_plan()
    values["payment_accounts"][0] = {"provider": "webhook", "slug": "my-hook", "file": "hook.json"}
    with pytest.raises(CommandError, match=r"payment_accounts\[0\]\.file: .*hook\.json: No such file"):
        set_up(values, tmp_path)
    (tmp_path / "hook.json").write_text("[]")
    with pytest.raises(CommandError, match=r"payment_accounts\[0\]\.file: .*hook\.json: "):
        set_up(values, tmp_path)
    assert counts() == [0] * 7

    (tmp_path / "hook.json").write_text(json.dumps({"secret": SECRET}))
    set_up(values, tmp_path)
    assert PaymentAccount.objects.get().open_secrets() == {"secret": SECRET}


def test_account_of_another_shop_is_refused(tmp_path: Path) -> None:
    set_up(whole_plan(), tmp_path)
    values = whole_plan()
    values["merchant"] = {"slug": "second", "name": "Second"}
    before = counts()

    with pytest.raises(CommandError, match=r"payment_accounts\[0\]\.slug: is the name of another account"):
        set_up(values, tmp_path)
    assert counts() == before


def test_limits_take_two_once_a_second_person_was_here(tmp_path: Path) -> None:
    """Before it the file sets them; afterwards the back office does, and the rest of the file is not half done."""
    values = whole_plan()
    values["people"][2]["password"] = "another long phrase 8"
    set_up(values, tmp_path)
    assert Client().login(username="finance1", password="another long phrase 8")
    values["money_limits"].append({"role": "agent", "action": "refund_alone", "amount": "100.00"})
    values["warehouses"].append({"slug": "second", "name": "Second"})
    before = counts()

    with pytest.raises(CommandError, match=r"money_limits\[1\]: takes two persons"):
        set_up(values, tmp_path)
    assert counts() == before

    values["money_limits"].pop()
    set_up(values, tmp_path)
    assert Warehouse.objects.count() == 2


def test_failure_in_the_middle_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person without the role would be a log-in that nobody planned."""

    def fail(*_arguments: Any, **_values: Any) -> None:
        raise RuntimeError("gone")

    monkeypatch.setattr(apply.server_changes, "note", fail)
    person = plan.PersonToMake("service", "agent")
    with pytest.raises(RuntimeError):
        apply.make_person(person)
    assert not User.objects.exists()

    monkeypatch.undo()
    assert apply.make_person(person).is_new


# --- questions


class Script:
    """Answers by a piece of the question, the others with Enter; keeps what was asked and said."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.said: list[str] = []

    def ask(self, question: str) -> str:
        self.asked.append(question)
        return next((rest.pop(0) for part, rest in self.answers.items() if part in question and rest), "")

    def run(self) -> list[apply.Step]:
        return list(Guide(self.ask, self.ask, self.said.append).run())


def test_questions_with_their_usual_answers(tmp_path: Path) -> None:
    (tmp_path / "hook.json").write_text(json.dumps({"secret": SECRET}))
    (tmp_path / "wrong.json").write_text(json.dumps({"secret": "x"}))
    script = Script({
        "short name": ["my shop", "tea"],
        "payment provider": ["paypal", "webhook"],
        "file with its keys": [str(tmp_path / "none.json"), str(tmp_path / "wrong.json"), str(tmp_path / "hook.json")],
        "password": ["123"],
        "propose a manual settlement": ["much", "500.00"],
    })  # fmt: skip

    steps = script.run()

    assert counts() == [1, 1, 1, 0, 6, 1, 2]
    assert (Merchant.objects.get().slug, Warehouse.objects.get().slug) == ("tea", "main")
    assert PaymentAccount.objects.get().slug == "tea-webhook"
    said = "\n".join(script.said)
    for mistake in (
        "my shop must be up to",
        "paypal must be one of",
        "none.json",
        "too short",
        "much must be yuan",
    ):
        assert mistake in said
    assert {step.is_new for step in steps} == {True}


def test_questions_again_ask_only_for_what_is_missing(tmp_path: Path) -> None:
    set_up(whole_plan(), tmp_path)
    User.objects.get(username="finance2").delete()
    script = Script({})

    steps = script.run()

    assert [step.name for step in steps if step.is_new] == ["finance2 (finance)", "ERP"]
    assert [question for question in script.asked if "short name" in question or "[admin]" in question] == []


def test_questions_in_chinese() -> None:
    script = Script({})
    with translation.override("zh-hans"):
        script.run()
    assert "短名 [my-shop]： " in script.asked


def test_command_asks_at_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The language first; when the answers end, what was made stays, and the next run goes on from there."""
    typed = iter(["2", "tea", "Tea house"])

    def answer(_question: str) -> str:
        try:
            return next(typed)
        except StopIteration as end:
            raise EOFError from end

    monkeypatch.setattr("builtins.input", answer)
    output = io.StringIO()
    with pytest.raises(CommandError, match="What was made stays"):
        call_command("setup", stdout=output)
    assert "+ merchant tea made: Tea house" in output.getvalue()
    assert counts() == [1, 0, 0, 0, 0, 0, 0]


def test_example_is_a_plan() -> None:
    output = io.StringIO()
    call_command("setup", "--example", stdout=output)
    values = json.loads(output.getvalue())
    for part in ("payment_accounts", "carrier_accounts"):
        del values[part]  # their files are the reader's own
    assert plan.read_plan(values, folder=Path()).people[0].role == "administrator"
