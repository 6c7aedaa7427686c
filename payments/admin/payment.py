"""Read-only admin pages of payment attempts and confirmed refunds. States and amounts are never edited here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin, ReadOnlyInline
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number
from payments.about.labels import TONES, answer_label
from payments.admin.refund import REFUND_BUTTON, refund_facts
from payments.models import Payment, PaymentStatus, Refund
from payments.models.payment import PaymentQuerySet
from payments.polling import poll


class UndecidedFilter(admin.SimpleListFilter):
    """Filter undecided attempts, which have an index of their own. Other states have none: search by number."""

    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("undecided", _("not decided yet"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> PaymentQuerySet:
        rows: PaymentQuerySet = queryset
        return rows.undecided() if self.value() else rows


class RefundInline(ReadOnlyInline):
    model = Refund
    fields = ("refund_reference", "amount", "refunded_at")


def _query(_request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> str | Promise:
    """Query the provider now; its answer is applied by `payments.lifecycle`."""
    if not poll.query_now(payment):
        return _("The provider was queried a moment ago, or its circuit is open. Try again in a few seconds.")
    fresh = Payment.objects.get(pk=payment.pk)
    return _("The provider was queried. The payment is now: %(status)s") % {
        "status": PaymentStatus(fresh.status).label
    }


@admin.register(Payment)
class PaymentAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    sum = columns.amount()
    list_display = (
        "reference",
        "order_link",
        "account",
        "state",
        "sum",
        "provider_reference",
        "created",
        "last_query",
    )
    list_filter = (UndecidedFilter,)
    list_select_related = ("order", "account")
    search_fields = ("reference",)
    search_help_text = _("Merchant reference, provider's reference or order number")
    shapes = (
        column(r"[0-9A-Za-z_-]{6,64}", "reference", "provider_reference"),
        order_number(),
    )
    inlines = (RefundInline,)
    confirmed = (
        Confirmed(
            "ask",
            _("Query the provider"),
            "payments.replay_paymentnotification",
            _("The provider is queried for this payment. If the money is there, the order is paid."),
            _query,
            fits=lambda payment: payment.is_undecided,
            icon="contact_support",
        ),
        REFUND_BUTTON,
    )
    fields = (
        "order", "account", "reference", "provider_reference", "amount", "refunded_amount", "currency", "status",
        "created_at", "expires_at", "paid_at", "closed_at", "next_query_at", "queries", "last_query_at",
        "answer", "close_wanted_at",
    )  # fmt: skip
    readonly_fields = ("answer",)

    def facts_of(self, row: Payment) -> SafeString:
        return badges.facts(refund_facts(row))

    def after_action(self, row: Model) -> str:
        """Return to the order's page, where people opened the attempt."""
        return badges.address_of("admin:orders_order_change", getattr(row, "order_id", None))

    @admin.display(description=_("status"))
    def state(self, payment: Payment) -> SafeString:
        status = PaymentStatus(payment.status)
        return badges.badge(status.label, tone=TONES[status])

    @admin.display(description=_("created at"))
    def created(self, payment: Payment) -> SafeString:
        return badges.ago(payment.created_at)

    @admin.display(description=_("last answer"))
    def answer(self, payment: Payment) -> str:
        return answer_label(payment.last_answer)

    @admin.display(description=_("last polled at"))
    def last_query(self, payment: Payment) -> SafeString:
        return badges.ago(payment.last_query_at)


@admin.register(Refund)
class RefundAdmin(ShapeSearchMixin, ReadOnlyAdmin):
    sum = columns.amount()
    list_display = ("refund_reference", "payment_link", "sum", "refunded")
    list_select_related = ("payment",)
    search_fields = ("payment__reference",)
    search_help_text = _("Merchant reference")
    shapes = (column(r"[0-9A-Z]{16,32}", "payment__reference"),)
    fields = ("payment", "refund_reference", "amount", "refunded_at", "created_at")

    @admin.display(description=_("payment"))
    def payment_link(self, refund: Refund) -> SafeString:
        return badges.link(refund.payment.reference, "admin:payments_payment_change", refund.payment_id)

    @admin.display(description=_("refunded at"))
    def refunded(self, refund: Refund) -> SafeString:
        return badges.ago(refund.refunded_at)
