"""The ways to pay an order that its buyer can choose on our pages: the shop's accounts that have a payment page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise

from orders.models import Order
from orders.truth.sentence import Truth
from payments.models import Payment, PaymentAccount
from payments.provider_calls.runner import readable_keys
from payments.providers.interface import PaysInApp
from payments.providers.registry import PROVIDERS, get_provider

# One character for each provider, where its logo would stand.
_MARKS = {"alipay": "支", "wechatpay": "微", "unionpay": "银"}


@dataclass(frozen=True, slots=True)
class PaymentChoice:
    """A way to pay as the buyer sees it. `account` is the slug that the form sends."""

    account: str
    provider: str
    label: str | Promise
    # Above 1 for a further account at the same provider.
    serial: int = 1

    @property
    def mark(self) -> str:
        return _MARKS.get(self.provider, str(self.label)[:1].upper())


def choices_of(order: Order, truth: Truth, *, without: PaymentAccount | None = None) -> list[PaymentChoice]:
    """The ways to pay an order, provider by provider; none where nobody shall pay it.

    `without`: an account that the page offers already, as a code to scan. An account that collects inside the
    provider's app is none: only a page in that app can use it.
    """
    if not truth.allows_payment(order):
        return []
    seen: Counter[str] = Counter()
    choices = []
    for account in _accounts_of(order):
        seen[account.provider] += 1
        label = get_provider(account.provider).label
        if without is None or account.pk != without.pk:
            choices.append(PaymentChoice(account.slug, account.provider, label, seen[account.provider]))
    return choices


def chosen_account(order: Order, slug: str) -> PaymentAccount | None:
    """The account of a choice; None for what is not offered."""
    return next((account for account in _accounts_of(order) if account.slug == slug), None)


def _accounts_of(order: Order) -> list[PaymentAccount]:
    accounts = PaymentAccount.objects.active().filter(merchant_id=order.merchant_id).order_by("pk")
    found = [account for account in accounts if _has_page(account)]
    return sorted(found, key=lambda account: list(PROVIDERS).index(account.provider))


def _has_page(account: PaymentAccount) -> bool:
    keys, provider = readable_keys(account), get_provider(account.provider)
    if keys is None or not provider.has_payment_page(keys):
        return False
    return not (isinstance(provider, PaysInApp) and provider.pays_in_app(keys))


def place_to_pay(payment: Payment) -> str:
    """Where a buyer goes to pay a started attempt: the cashier, or our page with the code; the tracking page if neither."""
    if payment.pay_url:
        return payment.pay_url
    if payment.code_url:
        return reverse("pay-return", args=[payment.reference])
    return reverse("track", args=[payment.order.tracking_token])
