"""Read-only admin pages of payment attempts and confirmed refunds. States and amounts are never edited here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.models import OrderStatus
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import ActionReply, Confirmed, ConfirmedActionsMixin
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin, ReadOnlyInline
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number
from ordersite.lib.durations import time_until
from payments.about.labels import TONES, answer_label, error_label, provider_label
from payments.admin.refund import REFUND_BUTTON, refund_facts
from payments.models import Payment, PaymentException, PaymentQuery, PaymentStatus, Refund
from payments.models.payment import PaymentQuerySet
from payments.polling.call import QueryResult
from payments.polling.poll import NotQueried, query_for_staff
from payments.providers.types import TradeState


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


class QueryInline(ReadOnlyInline):
    model = PaymentQuery
    fields = ("result", "times", "first_at", "last_at")
    readonly_fields = ("result",)
    verbose_name_plural = _("Queries")

    @admin.display(description=_("answer"))
    def result(self, query: PaymentQuery) -> str:
        return error_label(query.error_code, query.error) if query.is_failure else answer_label(query.answer)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Who sees the payment sees what its provider answered."""
        return bool(request.user.has_perm("payments.view_payment"))


_ANSWERS: Mapping[TradeState, Promise] = {
    TradeState.PENDING: _("%(provider)s answers: not paid yet."),
    TradeState.NOT_FOUND: _(
        "%(provider)s answers: no such trade yet. The buyer has not opened the cashier or has not paid."
    ),
    TradeState.CLOSED: _("%(provider)s answers: closed, not paid."),
    TradeState.REFUNDED: _("%(provider)s answers: paid, and refunded in full."),
    TradeState.UNKNOWN: _(
        "%(provider)s answers with a state that is new to us: it cannot be confirmed whether the buyer has paid."
    ),
}


def query_from_page(payment: Payment) -> tuple[ActionReply, bool]:
    """Query the provider about one attempt; returns what to tell the person, and whether a query went out."""
    result = query_for_staff(payment)
    fresh = Payment.objects.select_related("order", "account").get(pk=payment.pk)
    if isinstance(result, NotQueried):
        return _not_queried(result, fresh), False
    return _reply(result, fresh), True


def _names(payment: Payment) -> Mapping[str, str]:
    return {"provider": provider_label(payment.account.provider)}


def _not_queried(reason: NotQueried, payment: Payment) -> ActionReply:
    if reason is NotQueried.SETTLED:
        words = gettext("Not queried: the money is here already. The payment is: %(status)s.")
        return ActionReply(words % {"status": PaymentStatus(payment.status).label}, messages.INFO)
    if reason is NotQueried.TOO_SOON:
        return ActionReply(
            gettext("Not queried: the last query was less than three seconds ago."), messages.INFO
        )
    if reason is NotQueried.BUSY:
        return ActionReply(
            gettext("Many queries wait for answers at this moment: this one goes out within seconds."),
            messages.INFO,
        )
    words = gettext(
        "%(provider)s does not answer: it cannot be confirmed whether the buyer has paid. "
        "Queries are paused for %(time)s, so none was sent now."
    )
    time = time_until(payment.account.circuit_open_until)
    return ActionReply(words % {**_names(payment), "time": time}, messages.ERROR)


def _reply(result: QueryResult, payment: Payment) -> ActionReply:
    if result.error:
        return _failed(result, payment)
    if result.answer is None:
        words = gettext("%(provider)s cannot be queried through this account.")
        return ActionReply(words % _names(payment), messages.WARNING)
    if result.answer.state is TradeState.PAID:
        return _paid(payment)
    return ActionReply(str(_ANSWERS[result.answer.state]) % _names(payment), messages.INFO)


def _failed(result: QueryResult, payment: Payment) -> ActionReply:
    """No answer is no answer: it says nothing about the money."""
    error = result.error
    if result.is_outage or error is None:
        words = gettext("%(provider)s did not answer: it cannot be confirmed whether the buyer has paid.")
        return ActionReply(words % _names(payment), messages.ERROR)
    words = gettext(
        "%(provider)s refuses the query (%(error)s): it cannot be confirmed whether the buyer has paid."
    )
    return ActionReply(
        words % {**_names(payment), "error": error_label(error.code, error.message)}, messages.ERROR
    )


def _paid(payment: Payment) -> ActionReply:
    """What became of the money: of the order where it took it, else of the case that was opened."""
    case = PaymentException.objects.open().filter(payment_id=payment.pk).order_by("-pk").first()
    if payment.is_settled and payment.order.status != OrderStatus.CLOSED and case is None:
        words = gettext("%(provider)s answers: paid. The order is: %(status)s.")
        status = OrderStatus(payment.order.status).label
        return ActionReply(words % {**_names(payment), "status": status}, messages.SUCCESS)
    words = gettext("%(provider)s answers: paid, but a person has to look: %(case)s.")
    kind = case.get_kind_display() if case else PaymentStatus(payment.status).label
    return ActionReply(words % {**_names(payment), "case": kind}, messages.WARNING)


def _query(_request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> ActionReply:
    """A query changes nothing by itself; what the provider answers goes through the payment door."""
    reply, _is_queried = query_from_page(payment)
    return reply


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
    inlines = (QueryInline, RefundInline)
    confirmed = (
        Confirmed(
            "ask",
            _("Query the provider"),
            "payments.replay_paymentnotification",
            _("The provider is queried for this payment. If the money is there, the order is paid."),
            _query,
            fits=lambda payment: not payment.is_settled,
            icon="contact_support",
            is_harmless=True,
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
