"""The work queue of payments that need a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.queues import OpenCasesFilter, is_open, take
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.lib.adminkit.search import ShapeSearchMixin, column, row_id
from payments import exceptions
from payments.admin.notification import KINDS, REFUSALS
from payments.explaining import answer_words
from payments.models import PaymentException

# What a case keeps of what was said and of what we knew.
DETAILS: Mapping[str, Promise] = {
    "kind": _("kind"),
    "amount": _("amount received"),
    "expected_amount": _("amount expected"),
    "currency": _("currency received"),
    "expected_currency": _("currency expected"),
    "reference": _("merchant reference"),
    "provider_reference": _("provider's reference"),
    "known_provider_reference": _("provider's reference on record"),
    "refund_reference": _("refund reference"),
    "refunded_total": _("refunded in all"),
    "account_problem": _("account problem"),
    "last_answer": _("last answer"),
    "code": _("reason"),
    "error": _("problem"),
}
RESOLVE = "payments.resolve_paymentexception"


def _resolve(request: HttpRequest, case: PaymentException, data: Mapping[str, Any]) -> Promise:
    exceptions.resolve(case, user=person(request), note=data["reason"])
    return _("The case is resolved.")


def _value(key: str, value: Any) -> object:
    if key == "last_answer":
        return answer_words(str(value))
    return {"kind": KINDS, "code": REFUSALS}.get(key, {}).get(value, value)


@admin.register(PaymentException)
class PaymentExceptionAdmin(ConfirmedActionsMixin, ShapeSearchMixin, ReadOnlyAdmin):
    list_display = ("name", "order_link", "account", "sum", "raised", "owner", "state")
    list_filter = (OpenCasesFilter, "kind", "account")
    list_select_related = ("order", "account", "owner")
    search_fields = ("order__number",)
    search_help_text = _("Order number, merchant reference or #case")
    shapes = (
        row_id(),
        column(r"[0-9]{8}-[0-9A-Z]{4}-[0-9A-Z]{4}", "order__number"),
        column(r"[0-9A-Z]{16,32}", "payment__reference", "notification__reference"),
    )
    fields = (
        "kind", "account", "order", "payment", "notification", "amount", "told", "created_at", "owner",
        "resolved_at", "resolved_by", "resolution",
    )  # fmt: skip
    readonly_fields = ("told",)
    confirmed = (
        Confirmed(
            "resolve",
            _("Resolve"),
            RESOLVE,
            _("The case leaves the queue. The note stays with it."),
            _resolve,
            form=ReasonForm,
            fits=is_open,
            icon="task_alt",
        ),
        Confirmed(
            "take",
            _("Take it on"),
            RESOLVE,
            _("You become the owner of this case."),
            take,
            fits=is_open,
            icon="front_hand",
        ),
    )

    @admin.display(description=_("kind"))
    def name(self, case: PaymentException) -> str:
        return str(case)

    @admin.display(description=_("detail"))
    def told(self, case: PaymentException) -> SafeString:
        return badges.facts((DETAILS.get(key, key), _value(key, case.detail[key])) for key in case.detail)

    @admin.display(description=_("order"))
    def order_link(self, case: PaymentException) -> SafeString:
        if case.order is None:
            return badges.NOTHING
        return badges.link(case.order.number, "admin:orders_order_change", case.order_id)

    @admin.display(description=_("amount"))
    def sum(self, case: PaymentException) -> SafeString:
        return badges.money(case.amount)

    @admin.display(description=_("age"))
    def raised(self, case: PaymentException) -> SafeString:
        return badges.ago(case.created_at)

    @admin.display(description=_("status"))
    def state(self, case: PaymentException) -> SafeString:
        return (
            badges.badge(_("to do"), tone="bad")
            if is_open(case)
            else badges.badge(_("resolved"), tone="good")
        )
