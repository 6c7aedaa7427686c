"""The plan of a new installation, read from a JSON object. Every mistake is named with its place.

The plan says what there should be; `apply` makes what is missing of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import slug_re, validate_email
from django.utils.translation import gettext as _

from logistics.accounts import checked_keys as checked_carrier_keys
from orders.clients import SCOPES
from orders.models import MoneyLimit
from ordersite.lib.errors import DomainError
from ordersite.lib.money import parse_amount
from ordersite.lib.strict_json import loads_object
from ordersite.roles import ROLES
from payments.accounts.save import checked_keys

ADMINISTRATOR = "administrator"
# An account file holds a few keys in PEM.
MOST_BYTES = 256 * 1024
MOST_SLUG, MOST_NAME, MOST_USERNAME = 40, 80, 150

EXAMPLE = """{
  "merchant": {"slug": "my-shop", "name": "My shop"},
  "warehouses": [{"slug": "main", "name": "Main warehouse"}],
  "payment_accounts": [{"provider": "alipay", "slug": "my-alipay", "file": "alipay.json"}],
  "carrier_accounts": [{"carrier": "kuaidi100", "slug": "my-kuaidi100", "file": "kuaidi100.json"}],
  "people": [
    {"username": "admin", "role": "administrator", "email": "admin@example.com"},
    {"username": "service", "role": "agent", "email": "service@example.com"},
    {"username": "finance1", "role": "finance", "email": "finance1@example.com"},
    {"username": "finance2", "role": "finance", "email": "finance2@example.com"},
    {"username": "operations1", "role": "operations", "email": "operations1@example.com"},
    {"username": "operations2", "role": "operations", "email": "operations2@example.com"}
  ],
  "money_limits": [{"role": "agent", "action": "propose_settlement", "amount": "500.00"}],
  "api_clients": [{"name": "shop", "scopes": ["orders:read", "orders:write"]}]
}
"""


class BadPlan(Exception):
    """Every mistake of a plan, one line each: its place, and what is wrong there."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class NamedThing:
    """A merchant or a warehouse."""

    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class AccountToMake:
    """`kind`: the provider or the carrier. `keys`: what stands in its file, secrets among it."""

    kind: str
    slug: str
    keys: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PersonToMake:
    """`password` is empty where one is to be made; `role` is a group or ADMINISTRATOR."""

    username: str
    role: str
    email: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LimitToMake:
    role: str
    action: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ClientToMake:
    name: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """What there should be; empty parts are left alone."""

    merchant: NamedThing | None = None
    warehouses: tuple[NamedThing, ...] = ()
    payment_accounts: tuple[AccountToMake, ...] = ()
    carrier_accounts: tuple[AccountToMake, ...] = ()
    people: tuple[PersonToMake, ...] = ()
    money_limits: tuple[LimitToMake, ...] = ()
    api_clients: tuple[ClientToMake, ...] = ()


def read_plan(values: Mapping[str, Any], *, folder: Path) -> SetupPlan:
    """Read a whole plan; `folder` is where relative names of account files begin.

    Raises BadPlan with every mistake: then nothing was made.
    """
    reader = _Reader(folder)
    plan = reader.plan(values)
    if reader.problems:
        raise BadPlan(reader.problems)
    return plan


def read_account_file(path: Path) -> dict[str, Any]:
    """Read the JSON object of an account file. Raises ValueError with what is wrong, never with what stands in it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: {os.strerror(error.errno or 0)}") from error
    if len(raw) > MOST_BYTES:
        raise ValueError(_("%(file)s is too large for a file of keys.") % {"file": path})
    try:
        return loads_object(raw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def problem_of_slug(value: str) -> str:
    """Say what is wrong with a slug, "" for nothing."""
    if len(value) <= MOST_SLUG and slug_re.match(value):
        return ""
    return _("must be up to 40 letters, digits, - and _.")


def problem_of_email(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError:
        return _("is no mail address.")
    return ""


def problem_of_amount(value: str) -> str:
    try:
        return "" if parse_amount(value) >= 0 else _("must not be negative.")
    except ValueError:
        return _('must be yuan with at most two decimals, such as "500.00".')


def _anything(_value: str) -> str:
    return ""


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Make a check that a text is one of these."""

    def problem(value: str) -> str:
        return "" if value in choices else _("must be one of %(choices)s.") % {"choices": ", ".join(choices)}

    return problem


def shorter_than(most: int) -> Callable[[str], str]:
    def problem(value: str) -> str:
        return "" if len(value) <= most else _("must have at most %(most)s characters.") % {"most": most}

    return problem


class _Reader:
    """Reads the parts of a plan and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def plan(self, values: Mapping[str, Any]) -> SetupPlan:
        self.only(values, "", list(SetupPlan.__dataclass_fields__))
        has_merchant = "merchant" in values and self.is_object(values["merchant"], "merchant")
        return SetupPlan(
            merchant=self.named(values["merchant"], "merchant") if has_merchant else None,
            warehouses=self.each(values, "warehouses", self.named),
            payment_accounts=self.each(values, "payment_accounts", self.payment_account, unique="slug"),
            carrier_accounts=self.each(values, "carrier_accounts", self.carrier_account, unique="slug"),
            people=self.each(values, "people", self.person, unique="username"),
            money_limits=self.each(values, "money_limits", self.limit),
            api_clients=self.each(values, "api_clients", self.client, unique="name"),
        )

    def each(
        self, values: Mapping[str, Any], part: str, read: Callable[[Any, str], Any], unique: str = ""
    ) -> Any:
        rows = values.get(part, [])
        if not isinstance(rows, list):
            self.say(part, _("must be a list."))
            return ()
        places = [(row, f"{part}[{number}]") for number, row in enumerate(rows)]
        found = tuple(read(row, place) for row, place in places if self.is_object(row, place))
        seen = set[str]()
        for number, row in enumerate(found):
            name = getattr(row, unique) if unique else None
            if name in seen:
                self.say(f"{part}[{number}].{unique}", _("stands there twice."))
            if name:
                seen.add(name)
        return found

    def named(self, row: Mapping[str, Any], place: str) -> NamedThing:
        self.only(row, place, ("slug", "name"))
        return NamedThing(
            self.text(row, place, "slug", problem_of_slug),
            self.text(row, place, "name", shorter_than(MOST_NAME)),
        )

    def payment_account(self, row: Mapping[str, Any], place: str) -> AccountToMake:
        return self.account(row, place, "provider", checked_keys)

    def carrier_account(self, row: Mapping[str, Any], place: str) -> AccountToMake:
        return self.account(row, place, "carrier", checked_carrier_keys)

    def account(
        self,
        row: Mapping[str, Any],
        place: str,
        kind: str,
        check: Callable[[str, str, Mapping[str, Any]], object],
    ) -> AccountToMake:
        self.only(row, place, (kind, "slug", "file", "keys"))
        before = len(self.problems)
        account = AccountToMake(
            self.text(row, place, kind), self.text(row, place, "slug", problem_of_slug), self.keys(row, place)
        )
        if len(self.problems) == before:
            try:
                check(account.slug, account.kind, account.keys)
            except DomainError as error:
                self.say(place, error.message)
        return account

    def keys(self, row: Mapping[str, Any], place: str) -> Mapping[str, Any]:
        keys = row.get("keys")
        if ("file" in row) == (keys is not None):
            self.say(place, _("needs either file or keys."))
        elif keys is None:
            name = self.text(row, place, "file")
            try:
                return read_account_file(self.folder / name) if name else {}
            except ValueError as error:
                self.say(f"{place}.file", str(error))
        elif not isinstance(keys, dict):
            self.say(f"{place}.keys", _("must be an object."))
        else:
            return keys
        return {}

    def person(self, row: Mapping[str, Any], place: str) -> PersonToMake:
        self.only(row, place, ("username", "role", "email", "password"))
        password = row.get("password", "")
        if not isinstance(password, str):
            self.say(f"{place}.password", _("must be text."))
        return PersonToMake(
            username=self.text(row, place, "username", shorter_than(MOST_USERNAME)),
            role=self.text(row, place, "role", one_of((ADMINISTRATOR, *ROLES))),
            email=self.text(row, place, "email", problem_of_email) if "email" in row else "",
            password=str(password),
        )

    def limit(self, row: Mapping[str, Any], place: str) -> LimitToMake:
        self.only(row, place, ("role", "action", "amount"))
        amount = self.text(row, place, "amount", problem_of_amount)
        return LimitToMake(
            role=self.text(row, place, "role", one_of(tuple(ROLES))),
            action=self.text(row, place, "action", one_of(MoneyLimit.LimitedAction.values)),
            amount=parse_amount(amount) if amount else Decimal(0),
        )

    def client(self, row: Mapping[str, Any], place: str) -> ClientToMake:
        self.only(row, place, ("name", "scopes"))
        scopes = row.get("scopes")
        if not isinstance(scopes, list) or not scopes or not set(map(str, scopes)) <= set(SCOPES):
            self.say(f"{place}.scopes", _("must be a list of %(choices)s.") % {"choices": ", ".join(SCOPES)})
            scopes = []
        return ClientToMake(self.text(row, place, "name", shorter_than(MOST_NAME)), tuple(map(str, scopes)))

    def is_object(self, value: Any, place: str) -> bool:
        if not isinstance(value, dict):
            self.say(place, _("must be an object."))
        return isinstance(value, dict)

    def only(self, value: Mapping[str, Any], place: str, known: Sequence[str]) -> None:
        for name in value:
            if name not in known:
                where = f"{place}.{name}" if place else name
                self.say(where, _("is not known here; there are %(names)s.") % {"names": ", ".join(known)})

    def text(
        self, row: Mapping[str, Any], place: str, name: str, problem: Callable[[str], str] = _anything
    ) -> str:
        """Read a text without its outer blanks; "" where it is missing or wrong, which is said."""
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            self.say(f"{place}.{name}", _("is missing, or no text."))
            return ""
        wrong = problem(value.strip())
        if wrong:
            self.say(f"{place}.{name}", wrong)
            return ""
        return value.strip()

    def say(self, place: str, problem: str) -> None:
        self.problems.append(f"{place}: {problem}")
