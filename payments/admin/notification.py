"""Admin pages of the notification log: each call's check and outcome, its raw body, and its replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.inbox_filters import CheckFilter, OutcomeFilter, SinceFilter, UntilFilter
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, any_of, column, row_id
from ordersite.lib.adminkit.stored_calls import UNREAD, CountedCallsAdmin, StoredCallColumns, replay_row
from ordersite.lib.crypto import CannotDecrypt
from payments.about.case_detail import UPDATE_KINDS
from payments.admin.notification_filters import (
    AmountFilter,
    NotificationTabs,
    OrderFilter,
    ProviderFilter,
    SenderFilter,
)
from payments.admin.raw_call import shown_content
from payments.models import PaymentNotification, RefusedCall
from payments.models.payment import Payment
from payments.notifications.replay import replay
from payments.providers.errors import REJECTIONS

Outcome = PaymentNotification.Outcome
TONES: dict[str, str] = {
    Outcome.WAITING: "waiting",
    Outcome.APPLIED: "good",
    Outcome.DUPLICATE: "plain",
    Outcome.REFUND_APPLIED: "good",
    Outcome.CLOSED_NOTED: "plain",
    Outcome.NOTED: "plain",
    Outcome.UNKNOWN_ORDER: "waiting",
}
REFUSALS: Mapping[str, Promise] = {**UNREAD, **REJECTIONS}


def _replay(request: HttpRequest, row: PaymentNotification, _data: Mapping[str, Any]) -> Promise:
    replay_row(request, row, replay)
    return _("The notification is in the queue again.")


@admin.register(PaymentNotification)
class PaymentNotificationAdmin(
    StoredCallColumns, NotificationTabs, ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin
):
    tones: ClassVar[Mapping[str, str]] = TONES
    reasons: ClassVar[Mapping[str, str | Promise]] = REJECTIONS
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

    @admin.display(description=_("kind"))
    def about(self, notice: PaymentNotification) -> str | Promise:
        return UPDATE_KINDS.get(notice.kind, notice.kind or "–")

    @admin.display(description=_("encrypted content, opened"))
    def content(self, notice: PaymentNotification) -> SafeString:
        raw = notice.raw_call
        try:
            return shown_content(notice, raw.body) if raw else badges.NOTHING
        except CannotDecrypt:
            return badges.NOTHING


@admin.register(RefusedCall)
class RefusedCallAdmin(NotificationTabs, CountedCallsAdmin):
    reasons: ClassVar[Mapping[str, str | Promise]] = REFUSALS
