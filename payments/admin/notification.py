"""Admin pages of the notification log: each call's check and outcome, its raw body, and its replay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, any_of, column, row_id
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError
from payments.about.case_detail import UPDATE_KINDS
from payments.admin.notification_filters import (
    AmountFilter,
    CheckFilter,
    OrderFilter,
    OutcomeFilter,
    ProviderFilter,
    SenderFilter,
    SinceFilter,
    UntilFilter,
)
from payments.admin.raw_call import masked_headers, shown_body, shown_content
from payments.models import PaymentNotification, RefusedCall
from payments.models.payment import Payment
from payments.notifications.replay import replay
from payments.providers.errors import REJECTIONS

CheckResult, Outcome = PaymentNotification.CheckResult, PaymentNotification.Outcome
TONES: dict[str, str] = {
    Outcome.WAITING: "waiting",
    Outcome.APPLIED: "good",
    Outcome.DUPLICATE: "plain",
    Outcome.REFUND_APPLIED: "good",
    Outcome.CLOSED_NOTED: "plain",
    Outcome.NOTED: "plain",
    Outcome.UNKNOWN_ORDER: "waiting",
}
REFUSALS: Mapping[str, Promise] = {
    **REJECTIONS,
    "method_not_allowed": _("The call is no POST."),
    "unknown_account": _("There is no such account."),
    "wrong_address": _("The address names this account, but is not its own."),
    "too_slow": _("The message did not arrive whole, or not in time."),
    "compressed": _("The message is compressed."),
}


def _replay(request: HttpRequest, row: PaymentNotification, _data: Mapping[str, Any]) -> Promise:
    who = person(request)
    try:
        done = replay([row.pk], actor=who.get_username(), user_id=who.pk)
    except CannotDecrypt as error:
        raise DomainError(
            "cannot_decrypt", _("The account's secrets cannot be opened on this machine.")
        ) from error
    if done.gone:
        raise DomainError(
            "raw_call_gone",
            _(
                "The raw call is deleted or cannot be opened; it cannot be checked again. Nothing was changed."
            ),
        )
    if done.still_rejected:
        raise DomainError(
            "still_rejected", _("The signature is still bad with today's keys; nothing was changed.")
        )
    if done.duplicates:
        raise DomainError("duplicate", _("The genuine call is here already; nothing was changed."))
    return _("The notification is in the queue again.")


@admin.register(PaymentNotification)
class PaymentNotificationAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    list_display = (
        "row",
        "arrived",
        "account",
        "check_badge",
        "outcome_badge",
        "numbers",
        "sum",
        "remote_address",
        "pace",
    )
    list_filter = (
        ProviderFilter, OrderFilter, AmountFilter, SinceFilter, UntilFilter, SenderFilter, CheckFilter,
        OutcomeFilter, "account",
    )  # fmt: skip
    list_filter_submit = True
    list_before_template = "admin/payments/log_tabs.html"
    list_select_related = ("account",)
    search_fields = ("reference",)
    search_help_text = _("Merchant reference, provider's reference, order number or #row")
    shapes = (row_id(), column(r"[0-9A-Za-z_-]{6,64}", "reference"))
    fields = (
        "account", "event_id", "check_result", "keys_fingerprint", "rejection", "outcome", "about", "provider_state",
        "reference", "provider_reference", "amount", "refunded_total", "occurred_at", "remote_address", "received_at",
        "pace", "tries", "due", "finished", "problem", "headers", "body", "content",
    )  # fmt: skip
    readonly_fields = (
        "rejection", "about", "pace", "tries", "due", "finished", "problem", "headers", "body", "content",
    )  # fmt: skip
    tries = columns.plain("attempts", _("attempts"))
    due = columns.due()
    finished = columns.plain("done_at", _("done at"))
    problem = columns.plain("last_error", _("last problem"))
    confirmed = (
        Confirmed(
            "replay",
            _("Replay"),
            "payments.replay_paymentnotification",
            _("The stored call is checked and applied again. What was applied already is not applied twice."),
            _replay,
            icon="replay",
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        """Also find notifications by the provider's number or the order's number of their payment attempt."""
        term = search_term.strip().replace("\x00", "")
        attempts = any_of(Payment.objects.all(), [Q(provider_reference=term), Q(order__number=term)])
        references = list(attempts.values_list("reference", flat=True)[:50]) if len(term) >= 6 else []
        if references:
            return queryset.filter(reference__in=references), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="#")
    def row(self, notice: PaymentNotification) -> str:
        return f"#{notice.pk}"

    @admin.display(description=_("received at"))
    def arrived(self, notice: PaymentNotification) -> SafeString:
        return badges.ago(notice.received_at)

    @admin.display(description=_("signature check"))
    def check_badge(self, notice: PaymentNotification) -> SafeString:
        return badges.badge(
            CheckResult(notice.check_result).label,
            tone="good" if notice.check_result == CheckResult.VERIFIED else "bad",
        )

    @admin.display(description=_("outcome"))
    def outcome_badge(self, notice: PaymentNotification) -> SafeString:
        return badges.badge(Outcome(notice.outcome).label, tone=TONES.get(notice.outcome, "bad"))

    @admin.display(description=_("amount"))
    def sum(self, notice: PaymentNotification) -> SafeString:
        return badges.money(notice.amount)

    @admin.display(description=_("merchant reference · provider's reference"))
    def numbers(self, notice: PaymentNotification) -> SafeString:
        """Show the reference as a link to its order."""
        if not notice.reference:
            return badges.NOTHING
        return format_html(
            '<span class="os-stack"><a class="os-link" href="{}?{}">{}</a><small class="os-second">{}</small></span>',
            reverse("admin:orders_order_find"),
            urlencode({"q": notice.reference}),
            notice.reference,
            notice.provider_reference,
        )

    @admin.display(description=_("answered · applied (ms)"))
    def pace(self, notice: PaymentNotification) -> SafeString:
        applied = "–"
        if notice.done_at and notice.check_result == CheckResult.VERIFIED:
            applied = f"{(notice.done_at - notice.received_at).total_seconds() * 1000:,.0f}"
        return format_html('<span class="os-money">{} · {}</span>', notice.answered_ms, applied)

    @admin.display(description=_("rejected because"))
    def rejection(self, notice: PaymentNotification) -> str | Promise:
        return REJECTIONS.get(notice.reject_code, notice.reject_code or "–")

    @admin.display(description=_("kind"))
    def about(self, notice: PaymentNotification) -> str | Promise:
        return UPDATE_KINDS.get(notice.kind, notice.kind or "–")

    @admin.display(description=_("headers"))
    def headers(self, notice: PaymentNotification) -> SafeString:
        raw = notice.raw_call
        text = json.dumps(masked_headers(raw.headers), ensure_ascii=False, indent=1) if raw else "–"
        return format_html('<pre class="os-raw">{}</pre>', text)

    @admin.display(description=_("raw body"))
    def body(self, notice: PaymentNotification) -> SafeString:
        """Show the body, or why it cannot be shown. Its SHA-256 stays as evidence."""
        raw = notice.raw_call
        if raw is None:
            text = _("Deleted after its time. Its SHA-256 stays: %(digest)s")
            return format_html("{}", text % {"digest": notice.body_digest})
        try:
            return shown_body(raw.body, raw.headers.get("content-type", ""))
        except CannotDecrypt:
            return format_html("{}", _("The keys of this installation do not open it."))

    @admin.display(description=_("encrypted content, opened"))
    def content(self, notice: PaymentNotification) -> SafeString:
        raw = notice.raw_call
        try:
            return shown_content(notice, raw.body) if raw else badges.NOTHING
        except CannotDecrypt:
            return badges.NOTHING


@admin.register(RefusedCall)
class RefusedCallAdmin(ReadOnlyAdmin):
    """Read-only counts of calls that were refused without being stored."""

    list_before_template = "admin/payments/log_tabs.html"
    list_display = ("day", "path", "cause", "count", "last")
    fields = ("day", "path", "cause", "calls", "last_at")
    readonly_fields = ("cause",)

    @admin.display(description=_("reason"))
    def cause(self, refused: RefusedCall) -> str | Promise:
        return REFUSALS.get(refused.reason, refused.reason)

    @admin.display(description=_("calls"))
    def count(self, refused: RefusedCall) -> SafeString:
        return badges.number(refused.calls)

    @admin.display(description=_("last at"))
    def last(self, refused: RefusedCall) -> SafeString:
        return badges.ago(refused.last_at)
