"""Asks for what a new installation needs, one question after another; each answer is made before the next is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from getpass import getpass
from pathlib import Path

from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from logistics.accounts import checked_keys as checked_carrier_keys
from logistics.carriers.registry import CARRIERS
from logistics.models import CarrierAccount, Warehouse
from orders.approvals.setup import is_set_up_alone
from orders.models import ApiClient, Merchant, MoneyLimit
from ordersite.installation import apply
from ordersite.installation.apply import Step
from ordersite.installation.plan import (
    ADMINISTRATOR,
    AccountToMake,
    ClientToMake,
    LimitToMake,
    NamedThing,
    PersonToMake,
    one_of,
    problem_of_amount,
    problem_of_email,
    problem_of_slug,
    read_account_file,
)
from ordersite.lib.errors import DomainError
from ordersite.lib.money import parse_amount
from payments.accounts.save import checked_keys
from payments.models import PaymentAccount
from payments.providers.registry import PROVIDERS

# Who a shop needs: role, the usual names, and what the role does.
POSTS = (
    (ADMINISTRATOR, ("admin",), gettext_lazy("sets up, makes log-ins")),
    ("agent", ("service",), gettext_lazy("customer service")),
    ("finance", ("finance1", "finance2"), gettext_lazy("one hands in, the other confirms")),
    ("operations", ("operations1", "operations2"), gettext_lazy("machine, accounts, limits")),
)
# The limits that a shop thinks of first.
LIMITS = (
    ("agent", MoneyLimit.LimitedAction.PROPOSE_SETTLEMENT),
    ("agent", MoneyLimit.LimitedAction.REFUND_ALONE),
    ("supervisor", MoneyLimit.LimitedAction.APPROVE_REFUND),
    ("finance", MoneyLimit.LimitedAction.APPROVE_SETTLEMENT),
)
SHOP_SCOPES = ("orders:read", "orders:write")
ERP_SCOPES = ("orders:read", "shipments:write")


class Guide:
    """A conversation. `ask` shows a question and returns the line that was typed; `say` writes a line."""

    def __init__(
        self, ask: Callable[[str], str], ask_secret: Callable[[str], str], say: Callable[[str], None]
    ) -> None:
        self.ask, self.ask_secret, self.say = ask, ask_secret, say

    def run(self) -> Iterator[Step]:
        """Yield what is there and what was made. Raises EOFError when the answers end: what was made stays."""
        self.say(
            _(
                "Enter takes what stands in brackets. You may stop at any time and begin again: what was made stays."
            )
        )
        merchant = apply.the_merchant()
        if merchant:
            yield Step(_("merchant"), merchant.slug, is_new=False, shown=merchant.name)
        else:
            step, merchant = self.merchant()
            yield step
        yield from self.warehouses(merchant)
        yield from self.payment_accounts(merchant)
        yield from self.carrier_accounts(merchant)
        yield from self.people()
        yield from self.limits()
        yield from self.clients(merchant)

    def merchant(self) -> tuple[Step, Merchant]:
        self.say(_("The shop: its short name stands in addresses and commands, its name on pages."))
        slug = self.text(_("short name"), "my-shop", problem_of_slug)
        return apply.make_merchant(NamedThing(slug, self.text(_("name"), slug)))

    def warehouses(self, merchant: Merchant) -> Iterator[Step]:
        rows = list(Warehouse.objects.filter(merchant=merchant).order_by("pk"))
        yield from (Step(_("warehouse"), row.slug, is_new=False, shown=row.name) for row in rows)
        if not rows:
            self.say(_("The warehouse: it confirms parcels under its short name."))
            slug = self.text(_("short name"), "main", problem_of_slug)
            yield apply.make_warehouse(merchant, NamedThing(slug, self.text(_("name"), slug)))

    def payment_accounts(self, merchant: Merchant) -> Iterator[Step]:
        rows = PaymentAccount.objects.filter(merchant=merchant).order_by("pk")
        yield from (
            apply.make_payment_account(merchant, AccountToMake(row.provider, row.slug, {})) for row in rows
        )
        self.say(
            _(
                "Payment accounts: keys come from a JSON file (docs/adding-a-provider.md says what stands in it)."
            )
        )
        while kind := self.choice(_("payment provider"), sorted(PROVIDERS)):
            account = self.account(kind, f"{merchant.slug}-{kind}", checked_keys)
            if account:
                yield apply.make_payment_account(merchant, account)

    def carrier_accounts(self, merchant: Merchant) -> Iterator[Step]:
        rows = CarrierAccount.objects.filter(merchant=merchant).order_by("pk")
        yield from (Step(_("carrier account"), row.slug, is_new=False) for row in rows)
        while kind := self.choice(_("carrier"), sorted(CARRIERS)):
            account = self.account(kind, f"{merchant.slug}-{kind}", checked_carrier_keys)
            if account:
                yield apply.make_carrier_account(merchant, account)

    def account(self, kind: str, usual: str, check: Callable[..., object]) -> AccountToMake | None:
        """Ask for name and file until they are good; an empty file gives it up."""
        slug = self.text(_("short name"), usual, problem_of_slug)
        while name := self.ask(_("file with its keys, Enter for none:") + " ").strip():
            try:
                keys = read_account_file(Path(name).expanduser())
                check(slug, kind, keys)
            except ValueError as error:
                self.say(f"  {error}")
            except DomainError as error:
                self.say(f"  {error.message}")
            else:
                return AccountToMake(kind, slug, keys)
        return None

    def people(self) -> Iterator[Step]:
        for role, usual, does in POSTS:
            known = _people_of(role)
            yield from (Step(_("log-in"), f"{name} ({role})", is_new=False) for name in known)
            for name in usual[len(known) :]:
                self.say(f"{role}: {does}")
                person = self.person(role, name)
                if person:
                    yield apply.make_person(person)

    def person(self, role: str, usual: str) -> PersonToMake | None:
        username = self.text(_("log-in, - for nobody"), usual, _taken_name)
        if username == "-":
            return None
        email = self.text(
            _("mail address, - for none"), "-", lambda text: "" if text == "-" else problem_of_email(text)
        )
        person = PersonToMake(username, role, "" if email == "-" else email)
        while True:
            typed = self.ask_secret(_("password, Enter to have one made:") + " ")
            problems = apply.problems_of_password(replace(person, password=typed))
            if not problems:
                return replace(person, password=typed)
            self.say("  " + " ".join(problems))

    def limits(self) -> Iterator[Step]:
        rows = MoneyLimit.objects.select_related("role")
        known = {(row.role.name, row.action): row for row in rows}
        for role, action in LIMITS:
            if row := known.get((role, action)):
                yield Step(_("money limit"), f"{role}:{action}", False, str(row.amount))
            elif is_set_up_alone():
                label = MoneyLimit.LimitedAction(action).label
                amount = self.text(
                    _("%(role)s: %(action)s, up to (yuan; - leaves it unset)") % {"role": role, "action": label},
                    "-", lambda text: "" if text == "-" else problem_of_amount(text),
                )  # fmt: skip
                if amount != "-":
                    yield apply.make_limit(LimitToMake(role, action, parse_amount(amount)))

    def clients(self, merchant: Merchant) -> Iterator[Step]:
        rows = ApiClient.objects.filter(merchant=merchant, is_active=True).order_by("pk")
        yield from (Step(_("API client"), row.name, is_new=False) for row in rows)
        for usual, scopes in (("shop", SHOP_SCOPES), ("ERP", ERP_SCOPES)):
            if not any(set(scopes) <= set(row.scopes) for row in rows):
                name = self.text(
                    _("program with the rights %(scopes)s, - for none") % {"scopes": " ".join(scopes)}, usual
                )
                if name != "-":
                    yield apply.make_client(merchant, ClientToMake(name, scopes))

    def choice(self, question: str, choices: list[str]) -> str:
        """Ask for one of these; "" for no more."""
        shown = _("%(question)s (%(choices)s), Enter for no more:") % {
            "question": question,
            "choices": " ".join(choices),
        }
        check = one_of(choices)
        while typed := self.ask(shown + " ").strip():
            wrong = check(typed)
            if not wrong:
                return typed
            self.say(f"  {typed} {wrong}")
        return ""

    def text(self, question: str, usual: str, problem: Callable[[str], str] = lambda _text: "") -> str:
        """Ask until the answer is good; Enter takes the usual one."""
        while True:
            typed = self.ask(
                pgettext("question with a default", "%(question)s [%(usual)s]:")
                % {"question": question, "usual": usual}
                + " "
            )
            answer = typed.strip() or usual
            wrong = problem(answer)
            if not wrong:
                return answer
            self.say(f"  {answer} {wrong}")


def ask_secret_at(is_terminal: bool, ask: Callable[[str], str]) -> Callable[[str], str]:
    """A terminal does not show what is typed; a script's answers are read like the others."""
    return getpass if is_terminal else ask


def _people_of(role: str) -> list[str]:
    people = User.objects.filter(is_active=True, is_staff=True)
    mine = people.filter(is_superuser=True) if role == ADMINISTRATOR else people.filter(groups__name=role)
    return list(mine.order_by("pk").values_list("username", flat=True))


def _taken_name(username: str) -> str:
    if username != "-" and User.objects.filter(username=username).exists():
        return _("is somebody already.")
    return ""
