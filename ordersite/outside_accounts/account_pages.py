"""The base of the admin pages of outside accounts: columns, switches, self-check. Secrets are never shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError
from ordersite.outside_accounts.circuit import CircuitState
from ordersite.outside_accounts.model import OutsideAccount

Run = Callable[[HttpRequest, Any, Mapping[str, Any]], str | Promise]


def self_check(permission: str, problems_of: Callable[[Any], Sequence[str]]) -> Confirmed:
    """Build the self-check button. `problems_of` opens the keys (raises `CannotDecrypt`) and has the adapter check them."""

    def run(_request: HttpRequest, account: Any, _data: Mapping[str, Any]) -> Promise:
        try:
            problems = problems_of(account)
        except CannotDecrypt as error:
            raise DomainError(
                "cannot_decrypt", _("The secrets cannot be opened with the keys of this machine.")
            ) from error
        if problems:
            raise DomainError("bad_account", " ".join(problems))
        return _("The keys fit together. No call was made.")

    explain = _("Looks whether the keys fit together. No call is made.")
    return Confirmed("check", _("Self-check"), permission, explain, run, icon="rule")


def switches(permission: str, *, off: str | Promise, on: str | Promise) -> tuple[Confirmed, Confirmed]:
    """Build the buttons by which one person switches an account off and on; `off` and `on` explain them."""
    return (
        Confirmed(
            "off", _("Switch off"), permission, off, _switch_off, fits=is_on, tone="bad", icon="toggle_off"
        ),
        Confirmed("on", _("Switch on"), permission, on, _switch_on, fits=is_off, icon="toggle_on"),
    )


def is_on(account: Any) -> bool:
    """Whether new work begins at this account."""
    return bool(account.is_active)


def is_off(account: Any) -> bool:
    """Whether no new work begins at this account."""
    return not account.is_active


def _switch_off(_request: HttpRequest, account: Any, _data: Mapping[str, Any]) -> Promise:
    type(account).objects.filter(pk=account.pk).update(is_active=False)
    return _("The account is off.")


def _switch_on(_request: HttpRequest, account: Any, _data: Mapping[str, Any]) -> Promise:
    type(account).objects.filter(pk=account.pk).update(is_active=True)
    return _("The account is on.")


_TONES = {CircuitState.CLOSED: "good", CircuitState.HALF_OPEN: "waiting", CircuitState.OPEN: "bad"}


class AccountColumnsMixin:
    """The columns `state`, `circuit` and `changed`."""

    @admin.display(description=_("status"))
    def state(self, account: OutsideAccount) -> SafeString:
        if not account.is_active:
            return badges.badge(_("off"))
        if account.circuit is CircuitState.CLOSED:
            return badges.badge(_("on"), tone="good")
        return badges.badge(account.circuit.label, tone=_TONES[account.circuit])

    @admin.display(description=_("circuit breaker"))
    def circuit(self, account: OutsideAccount) -> SafeString:
        """The state of the circuit breaker, and until when no call goes out."""
        state, until = account.circuit, account.circuit_open_until
        facts: list[tuple[str | Promise, object]] = [
            (_("circuit breaker"), badges.badge(state.label, tone=_TONES[state])),
            (_("failures in a row"), f"{account.failures_in_a_row:,}"),
            (_("circuit open until"), badges.ago(until) if until else ""),
        ]
        return badges.facts(facts)

    @admin.display(description=_("changed at"))
    def changed(self, account: OutsideAccount) -> SafeString:
        return badges.ago(account.changed_at)
