"""The checks of an installation in the order of the page, for the page and for `manage.py check_setup`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import DatabaseError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from ordersite.installation import check_servers as servers
from ordersite.installation import check_settings as environment
from ordersite.installation import check_shop as shop
from ordersite.installation.result import Found, State, bad

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """A check. `where`: the admin page on which it is mended, as its URL name, and the right that the page needs."""

    name: str
    title: str | Promise
    run: Callable[[], Found]
    where: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A check with what it found."""

    check: Check
    state: State
    text: str


Group = tuple[str | Promise, Sequence[Check]]


def _list(model: str, right: str = "view") -> tuple[str, str]:
    app, name = model.split(".")
    return f"admin:{app}_{name}_changelist", f"{app}.{right}_{name}"


GROUPS: Sequence[Group] = (
    (
        gettext_lazy("Settings"),
        (
            Check("keys", gettext_lazy("Keys"), environment.check_keys),
            Check("mode", gettext_lazy("Debugging and demonstration"), environment.check_mode),
            Check("address", gettext_lazy("Public address"), environment.check_address),
            Check("callbacks", gettext_lazy("Callback addresses"), environment.check_callbacks),
            Check("second_step", gettext_lazy("Two-step log-in"), environment.check_second_step),
            Check("mail", gettext_lazy("Mail server"), environment.check_mail),
        ),
    ),
    (
        gettext_lazy("Database"),
        (
            Check("database", gettext_lazy("Database"), servers.check_database),
            Check("migrations", gettext_lazy("Migrations"), servers.check_migrations),
            Check("history_rights", gettext_lazy("Rights on the history"), servers.check_history_rights),
            Check("temporary_tables", gettext_lazy("Temporary tables"), servers.check_temporary_tables),
        ),
    ),
    (
        gettext_lazy("Servers and processes"),
        (
            Check("cache", "Redis", servers.check_cache),
            Check("broker", gettext_lazy("Broker"), servers.check_broker),
            Check("worker", gettext_lazy("Workers"), partial(servers.check_processes, "worker")),
            Check("outside", gettext_lazy("Workers of outside calls"), partial(servers.check_processes, "outside")),
            Check("beat", "beat", partial(servers.check_processes, "beat")),
            Check("clock", gettext_lazy("Clock service"), partial(servers.check_processes, "clock")),
            Check("clock_tasks", gettext_lazy("Work by the clock"), servers.check_clock_tasks, _list("health.alert")),
        ),
    ),
    (
        gettext_lazy("Files"),
        (
            Check("translations", gettext_lazy("Translations"), environment.check_translations),
            Check("static_files", gettext_lazy("Static files"), environment.check_static_files),
            Check("private_files", gettext_lazy("Files that people hand in"), environment.check_private_files),
            Check("anchor_folder", gettext_lazy("Anchors of the history"), environment.check_anchor_folder),
        ),
    ),
    (
        pgettext_lazy("setup", "The shop"),
        (
            Check("merchant", gettext_lazy("Merchants"), shop.check_merchant, _list("orders.merchant")),
            Check("warehouse", gettext_lazy("Warehouses"), shop.check_warehouse, _list("logistics.warehouse")),
            Check("accounts", gettext_lazy("Payment accounts"), shop.check_accounts, _list("payments.paymentaccount")),
            Check("programs", gettext_lazy("API clients"), shop.check_programs, _list("orders.apiclient")),
            Check("administrator", gettext_lazy("Administrators"), shop.check_administrator, _list("auth.user")),
            Check("people", gettext_lazy("People"), shop.check_people, _list("auth.user")),
            Check("addresses", gettext_lazy("Their mail addresses"), shop.check_mail_addresses, _list("auth.user")),
        ),
    ),
)  # fmt: skip


def run_group(group: Group) -> list[Result]:
    return [_run(check) for check in group[1]]


def run_all() -> Iterator[Result]:
    """Yield the result of each check, in order. No check ends another."""
    for group in GROUPS:
        yield from run_group(group)


def _run(check: Check) -> Result:
    try:
        found = check.run()
    except DatabaseError as error:
        logger.warning("check %s: %s", check.name, error.__class__.__name__)
        found = bad(
            _("The database does not answer, or its tables are older than the code: run `manage.py migrate`.")
        )
    except Exception:  # the edge: a check that fails is a row of the page, not its end
        logger.exception("check %s", check.name)
        found = bad(_("This could not be checked; the log says why."))
    return Result(check, found.state, found.text)
