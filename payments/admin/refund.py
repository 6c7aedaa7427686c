"""Admin of refunds: the button on a payment's page that requests one, and the pages of the requests."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from orders.admin.review import Effect, ReviewButtonsMixin, review_actions
from orders.models import OrderStatus
from ordersite.lib.adminkit import badges, columns
from ordersite.lib.adminkit.confirmed import Confirmed, ReasonForm, person
from ordersite.lib.adminkit.queues import QueueFilter
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, order_number, row_id
from ordersite.lib.money import CENT, display_amount
from payments.models import Payment, RefundRequest, RefundStatus
from payments.models.refund_request import RefundRequestQuerySet
from payments.refunds import execute, labels, request
from payments.refunds.approval import REFUND

_UNSHIPPED = (OrderStatus.PENDING, OrderStatus.PAID)


class RefundForm(ReasonForm):
    """Ask for the amount and the reason of a refund. The provider may show the reason to the buyer."""

    amount = forms.DecimalField(
        label=_("Amount (yuan)"),
        max_digits=11,
        decimal_places=2,
        min_value=CENT,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.01"}),
    )
    field_order = ("amount", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("The provider may show it to the buyer.")


def _request_refund(http: HttpRequest, payment: Payment, data: Mapping[str, Any]) -> Promise:
    made = request.request_refund(payment.pk, data["amount"], actor_user=person(http), reason=data["reason"])
    if made.status == RefundStatus.APPROVED:
        return _("The refund is on its way to the provider. Only the provider's answer confirms it.")
    if payment.order.status in _UNSHIPPED:
        return _("The refund waits for the approval of a second person. The order does not ship meanwhile.")
    return _("The refund waits for the approval of a second person.")


def what_is_left(payment: Payment) -> dict[str, Any]:
    return {"amount": payment.refundable_amount}


REFUND_BUTTON = Confirmed(
    "refund",
    _("Refund"),
    REFUND.may_propose,
    _(
        "The money goes back to the buyer the way it was paid. An order that has not shipped does not ship until that has "
        "ended."
    ),
    _request_refund,
    form=RefundForm,
    fits=lambda payment: payment.is_paid,
    tone="bad",
    icon="undo",
    initial=what_is_left,
)


def refund_facts(payment: Payment) -> list[tuple[str | Promise, object]]:
    """List the amounts that a person compares before refunding a payment."""
    return [
        (_("order"), payment.order.number),
        (_("payment account"), payment.account),
        (_("amount"), _yuan(payment.amount)),
        (_("refunded"), _yuan(payment.refunded_amount)),
        (_("requested refunds"), _yuan(payment.refund_requests.live_amount())),
        (_("can be given back"), _yuan(payment.refundable_amount)),
    ]


def _yuan(amount: Decimal) -> str:
    """Format an amount for running text; columns use `badges.money`, which aligns to the right."""
    return display_amount(amount)


class RefundStateFilter(QueueFilter):
    """Filter by state. Without a choice: requests that have not ended."""

    title = _("status")
    opens_with = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("live", _("not ended")),
            ("waiting", RefundStatus.PROPOSED.label),
            ("for_me", _("I may decide")),
            ("under_way", RefundStatus.ORDERED.label),
            ("stuck", RefundStatus.ABNORMAL.label),
            ("ended", _("ended")),
            ("all", _("all of them")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> RefundRequestQuerySet:
        rows: RefundRequestQuerySet = queryset
        waiting = rows.waiting()
        return {
            "waiting": waiting,
            "for_me": waiting.exclude(proposer_id=request.user.pk),
            "under_way": queryset.filter(status__in=(RefundStatus.APPROVED, RefundStatus.ORDERED)),
            "stuck": queryset.filter(status=RefundStatus.ABNORMAL),
            "ended": queryset.ended(),
            "all": queryset,
        }.get(self.chosen, queryset.live())


def _try_now(_http: HttpRequest, row: RefundRequest, _data: Mapping[str, Any]) -> Promise:
    if not execute.try_now(row):
        return _("A try is under way at this moment, or the refund has ended.")
    return _("The provider is called in a moment. The same number is used: nothing is refunded twice.")


ACTIONS = (
    *review_actions(
        REFUND,
        approve=Effect(
            _("The money goes back to the buyer. Say what you checked; it stands in the order's history."),
            _("Approved. The refund is on its way to the provider."),
        ),
        refuse=Effect(
            _(
                "No money goes back; an order that has not shipped may ship again. Say why not; it stands in the order's "
                "history."
            ),
            _("Refused. No money goes back."),
        ),
        withdraw=Effect(
            _(
                "You take your request back. No money goes back; an order that has not shipped may ship again."
            ),
            _("Withdrawn. No money goes back."),
        ),
        form=ReasonForm,
    ),
    Confirmed(
        "try",
        _("Query the provider"),
        REFUND.may_propose,
        _("The provider is queried for this refund; an order that it does not know is repeated."),
        _try_now,
        fits=lambda row: row.is_at_work,
        icon="contact_support",
    ),
)


@admin.register(RefundRequest)
class RefundRequestAdmin(ReviewButtonsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    order_link = columns.order()
    sum = columns.amount()
    list_display = ("reference", "order_link", "sum", "state", "waits_for", "age", "proposed_by", "account")
    list_filter = (RefundStateFilter, "account")
    list_select_related = ("order__merchant", "account", "proposer")
    search_fields = ("reference",)
    search_help_text = _("Refund reference, order number, merchant reference or #request")
    shapes = (
        row_id(),
        order_number(),
        column(r"[0-9A-Z]{16,32}", "reference", "payment__reference"),
    )
    fields = (
        "order", "payment", "account", "reference", "refund_sum", "reason", "state", "waits_for", "proposed_by",
        "created_at", "decided_by", "how", "decided_at", "decision_note", "ordered_at", "attempts", "last_tried_at",
        "answer", "next_try_at", "ended_at",
    )  # fmt: skip
    readonly_fields = ("refund_sum", "state", "waits_for", "proposed_by", "how", "answer")
    kind = REFUND
    confirmed = ACTIONS

    def facts_of(self, row: RefundRequest) -> SafeString:
        facts = [(_("refund"), _yuan(row.amount)), (_("reason"), row.reason)]
        return badges.facts([*facts, (_("proposer"), self.proposed_by(row)), *refund_facts(row.payment)])

    @admin.display(description=_("amount"))
    def refund_sum(self, row: RefundRequest) -> str:
        return _yuan(row.amount)

    @admin.display(description=_("status"))
    def state(self, row: RefundRequest) -> SafeString:
        return badges.badge(RefundStatus(row.status).label, tone=labels.TONES[row.status])

    @admin.display(description=_("waits for"))
    def waits_for(self, row: RefundRequest) -> str | Promise:
        return labels.waits_for(row)

    @admin.display(description=_("age"))
    def age(self, row: RefundRequest) -> SafeString:
        return badges.lasting(row.created_at, row.ended_at)

    @admin.display(description=_("proposer"))
    def proposed_by(self, row: RefundRequest) -> str | Promise:
        return row.proposer.get_username() if row.proposer else _("the merchant's rule")

    @admin.display(description=_("how it was decided"))
    def how(self, row: RefundRequest) -> str:
        return str(row.get_decided_how_display())

    @admin.display(description=_("last answer"))
    def answer(self, row: RefundRequest) -> str:
        return labels.answer_label(row.last_answer)
