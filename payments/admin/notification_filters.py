"""Filters of the notification log; each one uses an index."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter

from payments.models import Payment, PaymentAccount, PaymentNotification
from payments.models.notification import PaymentNotificationQuerySet
from payments.providers.registry import provider_choices
from payments.providers.values import read_amount

Rows = QuerySet[PaymentNotification]
_OUTCOME = PaymentNotification.Outcome
_MOST_REFERENCES = 200
# The primary key is taken when a row is stored, `received_at` before: two rows may be in the other order.
_DISORDER = timedelta(minutes=1)


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


class CheckFilter(SimpleListFilter):
    """Filter by the signature check. The parameter is named after the column, so that saved addresses stay valid."""

    title = _("signature check")
    parameter_name = "verdict__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(PaymentNotification.CheckResult.choices)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(check_result=self.value()) if self.value() else queryset


class OutcomeFilter(SimpleListFilter):
    """Filter by outcome; waiting rows use the queue's index."""

    title = _("outcome")
    parameter_name = "outcome"
    waiting = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value or self.waiting, label) for value, label in _OUTCOME.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> PaymentNotificationQuerySet:
        rows: PaymentNotificationQuerySet = queryset
        if self.value() == self.waiting:
            return rows.waiting().filter(outcome=_OUTCOME.WAITING)
        return rows.filter(outcome=self.value()) if self.value() else rows


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


class SinceFilter(TextFilter):
    title = _("received from (2026-11-22 14:00)")
    parameter_name = "since"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        text = (self.value() or "").strip()
        at = read_time(text)
        if at is None:
            return queryset.none() if text else queryset
        return queryset.filter(received_at__gte=at, pk__gte=first_at(PaymentNotification, at - _DISORDER))


class UntilFilter(TextFilter):
    title = _("received until (2026-11-22 15:00)")
    parameter_name = "until"

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        text = (self.value() or "").strip()
        at = read_time(text)
        if at is None:
            return queryset.none() if text else queryset
        return queryset.filter(received_at__lt=at, pk__lte=first_at(PaymentNotification, at + _DISORDER))


def read_time(text: str) -> datetime | None:
    """Parse ISO 8601 in the shop's zone; a date is its midnight. Returns None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 <= at.year < 9000:
        return None
    return at if at.tzinfo else timezone.make_aware(at)


def first_at(model: type[Model], at: datetime) -> int:
    """Return the lowest primary key received at or after `at`, by binary search over the primary key.

    `received_at` has no index, which would slow every insert; primary keys are in its order.
    """
    rows = model._default_manager.order_by("pk").values_list("pk", "received_at")
    low, last = 0, rows.last()
    high = last[0] + 1 if last else 0
    while low < high:
        middle = (low + high) // 2
        found = rows.filter(pk__gte=middle).first()
        if found is None or found[1] >= at:
            high = middle
        else:
            low = found[0] + 1
    return low
