"""The confirm part of the statement wizard: who may confirm, the question with rows and sums, and setting aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.approvals import notify
from orders.approvals.workflow import approve
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.errors import DomainError
from payments.models import Statement, StatementStatus
from payments.reconciliation import settle
from payments.reconciliation.approval import STATEMENT, hand_over, may_confirm, set_aside, takes_of

SHOWN = 20


def steps(now: int) -> list[tuple[int, Promise, str]]:
    """The wizard's steps with their state: done, now or later."""
    names = (
        pgettext_lazy("step", "Hand in"),
        pgettext_lazy("step", "Look"),
        pgettext_lazy("step", "Confirm"),
        pgettext_lazy("step", "Result"),
    )
    return [
        (number, name, "done" if number < now else "now" if number == now else "later")
        for number, name in enumerate(names, start=1)
    ]


def _may_settle(statement: Statement) -> bool:
    is_matched = statement.status == StatementStatus.MATCHED
    return is_matched and not statement.settle_wanted_at and takes_of(statement).lines > 0


def _waits(statement: Statement) -> bool:
    return statement.set_aside_at is None and _may_settle(statement)


def _settle(request: HttpRequest, statement: Statement, _data: Mapping[str, Any]) -> Promise:
    approve(STATEMENT, statement.pk, user=person(request), note="")
    return _("The settlement is under way. This page shows how far it is; you may leave it.")


def _set_aside(_request: HttpRequest, statement: Statement, _data: Mapping[str, Any]) -> Promise:
    if not set_aside(statement):
        raise DomainError("not_waiting", _("This statement waits for nobody."))
    return _("Set aside. Nothing was settled; it no longer stands among what waits.")


ACTIONS = (
    Confirmed(
        "settle",
        _("Settle what is paid there"),
        STATEMENT.may_approve,
        _(
            "Every order whose money the file shows and that is not paid here is settled, line by line. Its buyer is"
            " told as after any payment. What has been settled meanwhile is left alone."
        ),
        _settle,
        fits=_may_settle,
        tone="main",
        icon="done_all",
    ),
    Confirmed(
        "set_aside",
        _("Set aside, do not settle"),
        STATEMENT.may_propose,
        _(
            "The statement leaves the home pages of those who may confirm it. Nothing is settled. It can still be "
            "confirmed on its page."
        ),
        _set_aside,
        form=ReasonForm,
        fits=_waits,
        icon="do_not_disturb_on",
    ),
)


class SettlementFilter(admin.SimpleListFilter):
    """By whose confirmation a statement waits for; the home page leads here."""

    title = _("settlement")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", _("to confirm")), ("for_me", _("I may decide")), ("mine", _("uploaded by me"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        waiting = {
            "waiting": STATEMENT.waiting,
            "for_me": lambda: notify.waiting_for(STATEMENT, person(request)),
            "mine": lambda: notify.waiting_of(STATEMENT, person(request)),
        }.get(self.value() or "")
        return queryset.filter(pk__in=waiting().values("pk")) if waiting else queryset


class HandOverMixin(ConfirmedActionsMixin):
    """Offers the settlement to those alone whose confirmation would count; the others read whom it waits for."""

    def buttons(self, request: HttpRequest, row: Statement) -> list[dict[str, Any]]:
        hidden = set() if may_confirm(row, person(request)) else {"settle"}
        return [one for one in super().buttons(request, row) if one["action"].code not in hidden]

    def facts_for(self, row: Statement, action: Confirmed) -> SafeString | str:
        """Whose file, how much, and the first lines of what would be settled."""
        if action.code != "settle":
            return ""
        lines = settle.settleable(row) | settle.settleable_earlier(row)
        first = lines.select_related("payment__order").order_by("statement_id", "id")[:SHOWN]
        context = {
            "statement": row,
            "takes": takes_of(row),
            "lines": list(first),
            "shown": SHOWN,
            "steps": steps(3),
        }
        return render_to_string("admin/desk/statement_lines.html", context)


def hand_over_of(request: HttpRequest, statement: Statement) -> dict[str, str]:
    """The sentence for the statement's page; empty for who may confirm it now."""
    return {"hand_over": hand_over(statement, person(request))}
