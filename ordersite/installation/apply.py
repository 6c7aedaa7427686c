"""Makes what is missing of a plan, a transaction for each row. What is there already is left as it is.

Everything goes through the code of the other commands: accounts are audited, and the approvers get mail. People and limits
are audited too. Money limits are made only as long as the first administrator sets up alone: later two persons decide
about them in the back office.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from logistics.accounts import save_announced
from logistics.models import CarrierAccount, Warehouse
from orders import clients
from orders.approvals import server_changes
from orders.approvals.setup import is_set_up_alone
from orders.models import ApiClient, Merchant, MoneyLimit
from ordersite.installation.plan import (
    ADMINISTRATOR,
    AccountToMake,
    BadPlan,
    ClientToMake,
    LimitToMake,
    NamedThing,
    PersonToMake,
    SetupPlan,
)
from ordersite.lib.money import format_amount
from payments.accounts.keys import notify_url
from payments.accounts.on_server import save_on_server
from payments.models import PaymentAccount

APPROVE_PEOPLE = "auth.change_user"


@dataclass(frozen=True, slots=True)
class Step:
    """A row that was made now, or was there. `shown`: what the reader needs, an address or a secret shown once."""

    kind: str
    name: str
    is_new: bool
    shown: str = field(default="", repr=False)
    is_secret: bool = False

    @property
    def state(self) -> str:
        return pgettext("setup", "made") if self.is_new else pgettext("setup", "is there")


def apply(plan: SetupPlan) -> Iterator[Step]:
    """Make what is missing, in order, and yield each step once it is committed.

    Raises BadPlan before anything is made, DomainError from an account. A second run goes on where the first ended.
    """
    check_against_rows(plan)
    merchant = the_merchant()
    if plan.merchant:
        step, merchant = make_merchant(plan.merchant)
        yield step
    if merchant:
        yield from (make_warehouse(merchant, one) for one in plan.warehouses)
        yield from (make_payment_account(merchant, one) for one in plan.payment_accounts)
        yield from (make_carrier_account(merchant, one) for one in plan.carrier_accounts)
    yield from (make_person(one) for one in plan.people)
    yield from (make_limit(one) for one in plan.money_limits)
    if merchant:
        yield from (make_client(merchant, one) for one in plan.api_clients)


def the_merchant() -> Merchant | None:
    """The first merchant, to which a plan without one belongs."""
    return Merchant.objects.order_by("pk").first()


def check_against_rows(plan: SetupPlan) -> None:
    """Compare a plan with what is there. Raises BadPlan: what cannot be made, each with its place."""
    slug = plan.merchant.slug if plan.merchant else getattr(the_merchant(), "slug", "")
    problems = [
        *_without_merchant(plan, slug),
        *_accounts_of_others(plan, slug),
        *_bad_passwords(plan),
        *_limits_of_two(plan),
    ]
    if problems:
        raise BadPlan(problems)


def _without_merchant(plan: SetupPlan, slug: str) -> Iterator[str]:
    needs = plan.warehouses or plan.payment_accounts or plan.carrier_accounts or plan.api_clients
    if needs and not slug:
        yield "merchant: " + _("is missing, and there is none yet.")


def _accounts_of_others(plan: SetupPlan, slug: str) -> Iterator[str]:
    parts = (
        ("payment_accounts", PaymentAccount, plan.payment_accounts),
        ("carrier_accounts", CarrierAccount, plan.carrier_accounts),
    )
    for part, model, accounts in parts:
        for number, one in enumerate(accounts):
            row = model._default_manager.filter(slug=one.slug).select_related("merchant").first()
            if row and (_kind_of(row), row.merchant.slug) != (one.kind, slug):
                yield f"{part}[{number}].slug: " + _("is the name of another account, of %(owner)s.") % {
                    "owner": f"{row.merchant.slug}, {_kind_of(row)}"
                }


def _kind_of(row: PaymentAccount | CarrierAccount) -> str:
    return row.provider if isinstance(row, PaymentAccount) else row.carrier


def _bad_passwords(plan: SetupPlan) -> Iterator[str]:
    for number, one in enumerate(plan.people):
        for problem in problems_of_password(one):
            yield f"people[{number}].password: {problem}"


def problems_of_password(person: PersonToMake) -> list[str]:
    """Say what is wrong with a typed password; nothing for one that is to be made."""
    if not person.password:
        return []
    try:
        validate_password(person.password, User(username=person.username, email=person.email))
    except ValidationError as error:
        return list(error.messages)
    return []


def _limits_of_two(plan: SetupPlan) -> Iterator[str]:
    if is_set_up_alone():
        return
    for number, one in enumerate(plan.money_limits):
        if not _limit(one):
            yield f"money_limits[{number}]: " + _(
                "takes two persons by now: propose it in the back office, under Money limits."
            )


def _limit(one: LimitToMake) -> MoneyLimit | None:
    return MoneyLimit.objects.filter(role__name=one.role, action=one.action).first()


def make_merchant(one: NamedThing) -> tuple[Step, Merchant]:
    merchant, is_new = Merchant.objects.get_or_create(slug=one.slug, defaults={"name": one.name})
    return Step(_("merchant"), one.slug, is_new, merchant.name), merchant


def make_warehouse(merchant: Merchant, one: NamedThing) -> Step:
    row, is_new = Warehouse.objects.get_or_create(
        merchant=merchant, slug=one.slug, defaults={"name": one.name}
    )
    return Step(_("warehouse"), one.slug, is_new, row.name)


def make_payment_account(merchant: Merchant, one: AccountToMake) -> Step:
    """Its address goes into the provider's console."""
    account = PaymentAccount.objects.filter(slug=one.slug).first()
    is_new = account is None
    if account is None:
        account = save_on_server(one.slug, provider=one.kind, merchant=merchant, values=one.keys)
    return Step(_("payment account"), one.slug, is_new, notify_url(account))


def make_carrier_account(merchant: Merchant, one: AccountToMake) -> Step:
    """Its address goes into the carrier's console; it holds a secret and is shown once."""
    if CarrierAccount.objects.filter(slug=one.slug).exists():
        return Step(_("carrier account"), one.slug, is_new=False)
    saved = save_announced(one.slug, carrier=one.kind, merchant=merchant, data=one.keys)
    return Step(_("carrier account"), one.slug, is_new=True, shown=saved.push_url, is_secret=True)


@transaction.atomic
def make_person(one: PersonToMake) -> Step:
    """A person with the role. One who is there keeps password and roles."""
    kind, name = _("log-in"), f"{one.username} ({one.role})"
    if User.objects.filter(username=one.username).exists():
        return Step(kind, name, is_new=False)
    password = one.password or secrets.token_urlsafe(12)
    user = User.objects.create_user(
        one.username, one.email, password, is_staff=True, is_superuser=one.role == ADMINISTRATOR
    )
    if one.role != ADMINISTRATOR:
        user.groups.add(Group.objects.get(name=one.role))
    row = server_changes.Changed(User._meta.db_table, user.pk, one.username)
    server_changes.note(row, before={}, after={"role": one.role}, permission=APPROVE_PEOPLE)
    return Step(kind, name, True, "" if one.password else password, is_secret=not one.password)


@transaction.atomic
def make_limit(one: LimitToMake) -> Step:
    """A limit that nobody has set yet."""
    name = f"{one.role}:{one.action}"
    row = _limit(one)
    if row:
        return Step(_("money limit"), name, False, format_amount(row.amount))
    role = Group.objects.get(name=one.role)
    row = MoneyLimit.objects.create(role=role, action=one.action, amount=one.amount)
    changed = server_changes.Changed(MoneyLimit._meta.db_table, row.pk, name)
    after = {"amount": format_amount(one.amount)}
    server_changes.note(changed, before={}, after=after, permission="payments.approve_moneylimit")
    return Step(_("money limit"), name, True, format_amount(one.amount))


@transaction.atomic
def make_client(merchant: Merchant, one: ClientToMake) -> Step:
    """A program of this name; its token is shown once."""
    if ApiClient.objects.filter(merchant=merchant, name=one.name, is_active=True).exists():
        return Step(_("API client"), one.name, is_new=False)
    client, token = clients.add_client(merchant, name=one.name, scopes=one.scopes)
    row = server_changes.Changed(ApiClient._meta.db_table, client.pk, str(client))
    server_changes.note(row, before={}, after=clients.described(client))
    return Step(_("API client"), one.name, True, token, is_secret=True)
