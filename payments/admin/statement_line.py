"""Statement lines, and the bills that are fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import Shape, ShapeSearchMixin, row_id, row_number
from payments.admin.notification import TONES
from payments.admin.statement import RESULT_TONES
from payments.lifecycle.updates import Outcome
from payments.models import BillFetch, StatementLine
from payments.models.statement_line import NOT_BY_PAYMENT
from payments.provider_calls.labels import error_label
from payments.reconciliation import fetch as daily
from payments.reconciliation import settle
from payments.reconciliation.approval import STATEMENT

Result = StatementLine.Result
FETCH_TONES = {
    BillFetch.State.WAITING: "waiting",
    BillFetch.State.DONE: "good",
    BillFetch.State.EMPTY: "plain",
    BillFetch.State.GIVEN_UP: "bad",
}


def _by_number(term: str) -> list[Q]:
    """Look it up among the numbers of payments, and among those that stand in files alone: indexes hold no others."""
    payment = [Q(payment__reference=term), Q(payment__provider_reference=term)]
    return [*payment, NOT_BY_PAYMENT & Q(reference=term), NOT_BY_PAYMENT & Q(provider_reference=term)]


class OfStatementFilter(admin.SimpleListFilter):
    """The lines of one statement: its page leads here. No choice of all of them is offered."""

    title = _("statement")
    parameter_name = "statement"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, f"#{chosen}")] if row_number(chosen) else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[StatementLine]) -> QuerySet[StatementLine]:
        number = row_number(self.value() or "")
        return queryset if number is None else queryset.filter(statement_id=number)


class OfCaseFilter(OfStatementFilter):
    """The lines that stand in one case: its page leads here."""

    title = _("payment exception")
    parameter_name = "case"

    def queryset(self, request: HttpRequest, queryset: QuerySet[StatementLine]) -> QuerySet[StatementLine]:
        number = row_number(self.value() or "")
        return queryset if number is None else queryset.filter(case_id=number)


@admin.register(StatementLine)
class StatementLineAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    list_display = (
        "place",
        "result_badge",
        "what",
        "numbers",
        "sum",
        "ours",
        "moment",
        "order_link",
        "settlement",
    )
    list_filter = (OfStatementFilter, OfCaseFilter, "result", "kind")
    list_select_related = ("statement", "payment__order")
    search_fields = ("reference",)
    search_help_text = _("Merchant reference, provider's reference or #line")
    shapes = (
        row_id(),
        Shape(re.compile(r"[0-9A-Za-z_-]{6,64}"), _by_number),
    )
    fields = (
        "statement", "number", "kind", "result", "note", "reference", "provider_reference", "refund_reference", "amount",
        "occurred_at", "payment", "case", "settlement", "settled_at",
    )  # fmt: skip
    readonly_fields = ("settlement",)

    @admin.display(description=_("line number"))
    def place(self, line: StatementLine) -> SafeString:
        return format_html('<span class="os-nowrap">#{} · {}</span>', line.statement_id, line.number or "–")

    @admin.display(description=_("result"))
    def result_badge(self, line: StatementLine) -> SafeString:
        is_ended = line.outcome in (*settle.DONE, Outcome.DUPLICATE)
        badge = badges.badge(
            Result(line.result).label, tone="good" if is_ended else RESULT_TONES[Result(line.result)]
        )
        return format_html(
            '<span class="os-stack">{}<small class="os-second">{}</small></span>',
            badge,
            line.get_note_display(),
        )

    @admin.display(description=_("kind"))
    def what(self, line: StatementLine) -> SafeString:
        return format_html('<span class="os-nowrap">{}</span>', line.get_kind_display())

    @admin.display(description=_("merchant reference · provider's reference"))
    def numbers(self, line: StatementLine) -> SafeString:
        shown = badges.NOTHING
        if line.payment_id:
            shown = badges.link(line.reference or "–", "admin:payments_payment_change", line.payment_id)
        elif line.reference:
            shown = format_html("{}", line.reference)
        return format_html(
            '<span class="os-stack">{}<small class="os-second">{}</small></span>',
            shown,
            " · ".join(filter(None, (line.provider_reference, line.refund_reference))),
        )

    @admin.display(description=_("amount"))
    def sum(self, line: StatementLine) -> SafeString:
        return badges.money(line.amount)

    @admin.display(description=_("amount expected"))
    def ours(self, line: StatementLine) -> SafeString:
        return badges.money(line.payment.amount if line.payment else None)

    moment = columns.plain("occurred_at", _("occurred at"))

    @admin.display(description=_("order"))
    def order_link(self, line: StatementLine) -> SafeString:
        if line.payment is None:
            return badges.NOTHING
        return badges.link(line.payment.order.number, "admin:orders_order_change", line.payment.order_id)

    @admin.display(description=_("settlement"))
    def settlement(self, line: StatementLine) -> SafeString:
        if not line.outcome:
            return badges.NOTHING
        return badges.badge(line.get_outcome_display(), tone=TONES.get(line.outcome, "bad"))


def _fetch_now(_request: HttpRequest, fetch: BillFetch, _data: Mapping[str, Any]) -> Promise:
    if not daily.fetch_soon(fetch):
        return _("This account has no bills to fetch.")
    return _("The bill is being fetched; this page then shows what became of it.")


@admin.register(BillFetch)
class BillFetchAdmin(ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("day", "account", "state_badge", "tries", "next_time", "problem", "statement_link")
    list_filter = ("state", "account")
    list_select_related = ("account", "statement")
    fields = ("account", "day", "state_badge", "attempts", "next_at", "problem", "statement")
    readonly_fields = ("state_badge", "problem")
    tries = columns.plain("attempts", _("attempts"))
    next_time = columns.plain("next_at", _("fetched next at"))
    confirmed = (
        Confirmed(
            "fetch",
            _("Fetch now"),
            STATEMENT.may_propose,
            _(
                "The provider is asked for this day's bill. What it gives is matched; nothing is settled by it."
            ),
            _fetch_now,
            icon="download",
        ),
    )

    @admin.display(description=_("status"))
    def state_badge(self, fetch: BillFetch) -> SafeString:
        return badges.badge(fetch.get_state_display(), tone=FETCH_TONES[BillFetch.State(fetch.state)])

    @admin.display(description=_("statement"))
    def statement_link(self, fetch: BillFetch) -> SafeString:
        if fetch.statement is None:
            return badges.NOTHING
        return badges.link(str(fetch.statement), "admin:payments_statement_change", fetch.statement_id)

    @admin.display(description=_("last problem"))
    def problem(self, fetch: BillFetch) -> str:
        return error_label(fetch.last_error) or "–"
