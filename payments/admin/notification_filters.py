"""Tabs of the notification log, and its filters beside those of every log of stored calls; each uses an index."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter

from ordersite.lib.adminkit.stored_calls import Tab, TabsMixin
from payments.models import Payment, PaymentAccount, PaymentNotification
from payments.providers.registry import provider_choices
from payments.providers.values import read_amount

Rows = QuerySet[PaymentNotification]
_MOST_REFERENCES = 200


class NotificationTabs(TabsMixin):
    """Stored calls, calls lost at the proxy, and refused ones."""

    tabs_label = _("Notifications log")
    tabs = (
        Tab(
            _("Stored calls"),
            "admin:payments_paymentnotification_changelist",
            "payments.view_paymentnotification",
        ),
        Tab(_("Calls lost at the proxy"), "admin:payments_deadcall_changelist", "payments.view_deadcall"),
        Tab(
            _("Refused calls (counted)"), "admin:payments_refusedcall_changelist", "payments.view_refusedcall"
        ),
    )


class ProviderFilter(SimpleListFilter):
    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return provider_choices()

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if not self.value():
            return queryset
        accounts = PaymentAccount.objects.filter(provider=self.value()).values_list("pk", flat=True)
        return queryset.filter(account_id__in=list(accounts))


class AmountFilter(TextFilter):
    title = _("amount (exact)")
    parameter_name = "amount"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        text = (self.value() or "").strip().lstrip("¥￥").replace(",", "")
        if not text:
            return queryset
        amount = read_amount(text)
        # What the plug-in of mypy knows of a look-up by money is its column, which holds fen.
        return queryset.none() if amount is None else queryset.filter(amount=amount)  # type: ignore[misc]


class OrderFilter(TextFilter):
    title = _("order number")
    parameter_name = "order"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        number = (self.value() or "").strip().replace("\0", "")
        if not number:
            return queryset
        attempts = Payment.objects.filter(order__number=number).values_list("reference", flat=True)
        return queryset.filter(reference__in=list(attempts[:_MOST_REFERENCES]))


class SenderFilter(TextFilter):
    title = _("sender's address")
    parameter_name = "sender"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        address = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(remote_address=address) if address else queryset
