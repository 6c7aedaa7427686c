"""Attempts to collect money for an order: one open at a time, on record before the provider hears of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders import lifecycle
from orders.errors import order_not_payable
from orders.models import Order
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import gateway
from payments.accounts.keys import keys_of
from payments.attempts.errors import ProviderUnavailable, openid_missing
from payments.lifecycle.apply import open_attempt
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.polling.call import attempt_of, is_queryable
from payments.polling.poll import close_now, query_now
from payments.polling.schedule import next_poll_at
from payments.providers.interface import PaysInApp
from payments.providers.registry import get_provider
from payments.providers.types import PaymentPage
from payments.references import new_reference

# Two buyers' clicks at once: each may find the other's attempt in the way, and closes it, this often.
_ROUNDS = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """`is_new`: made by this call, not found open. `app_params`: what a page inside the provider's app hands on to it."""

    payment: Payment
    is_new: bool
    app_params: Mapping[str, str] = field(default_factory=dict)


def start_attempt(order: Order, account: PaymentAccount) -> Started:
    """The open attempt of this account for the order's amount, made where there is none. Call outside transactions.

    An open attempt at another account is closed at its provider first. The provider's own expiry is the order's close
    time. Raises `DomainError`: order_not_payable; openid_missing where the account collects inside the provider's app;
    provider_unavailable (the attempt is on record and is asked for later).
    """
    if pays_in_app(account) and not order.buyer.openid:
        raise openid_missing(order.number)
    for _round in range(_ROUNDS):
        close_others(order, account)
        started = _put_on_record(order.pk, account)
        if started is not None:
            return _lead_to_provider(started)
    raise order_not_payable(order.number, "busy")


def close_others(order: Order, account: PaymentAccount) -> None:
    """Close the open attempts of other accounts at their providers, before a new one begins.

    One that its provider does not know yet cannot be closed: it stays marked, polling goes on closing it. A provider
    that does not answer at all raises provider_unavailable: the buyer could be paying there right now.
    """
    others = order.payments.undecided().not_closing()
    for payment in others.exclude(account=account).select_related("account"):
        answered = close_now(payment)
        if answered is None or answered.is_outage:
            raise ProviderUnavailable(payment.reference)


def _put_on_record(order_id: int, account: PaymentAccount) -> Started | None:
    """Under the order's lock; None when another account's attempt has appeared meanwhile."""
    now = timezone.now()
    with transaction.atomic():
        order = lifecycle.lock([order_id])[order_id]
        _check_payable(order, now)
        open_ones = Payment.objects.undecided().lock_of_order(order.pk)
        if any(one.account_id != account.pk and not one.close_wanted_at for one in open_ones):
            return None
        for one in open_ones:
            if one.account_id == account.pk and one.amount == order.total_amount:
                return Started(_take_up_again(one, account, now), is_new=False)
        return Started(_insert(order, account, now), is_new=True)


def _check_payable(order: Order, now: datetime) -> None:
    code = lifecycle.start_payment(order, at=now) or ("order_overdue" if order.close_due_at <= now else "")
    if code:
        # Raised inside the transaction: what start_payment noted is undone.
        raise order_not_payable(order.number, code.removeprefix("order_"))


def _take_up_again(payment: Payment, account: PaymentAccount, now: datetime) -> Payment:
    """The buyer came back to this provider: its attempt is wanted again."""
    payment.account = account
    if payment.close_wanted_at:
        payment.close_wanted_at, payment.next_query_at = None, now
        payment.save(update_fields=["close_wanted_at", "next_query_at"])
    return payment


def _insert(order: Order, account: PaymentAccount, now: datetime) -> Payment:
    payment = Payment(
        order=order,
        account=account,
        reference=new_reference(),
        amount=order.total_amount,
        currency=order.currency,
        created_at=now,
        expires_at=order.close_due_at,
    )
    payment.next_query_at = next_poll_at(payment, now=now) if is_queryable(keys_of(account)) else None
    payment.save(force_insert=True)
    return payment


def _lead_to_provider(started: Started) -> Started:
    """Get the address where the buyer pays, unless it is known. After a failed start the provider is asked first.

    What the provider's app is handed grows old, so it is signed anew each time; an attempt that began with a code to
    scan keeps its code.
    """
    payment = started.payment
    in_app = pays_in_app(payment.account) and not payment.code_url
    if payment.status == PaymentStatus.OPEN and not in_app:
        return started
    if not started.is_new and query_now(payment):
        payment = Payment.objects.select_related("account", "order").get(pk=payment.pk)
        if not payment.is_undecided:
            raise order_not_payable(payment.order.number, str(payment.status))
    try:
        begun = _begin_in_app(payment) if in_app else _begin(payment)
    except OutsideError as error:
        logger.warning("attempt not started: %s", error, extra={"reference": payment.reference})
        Payment.objects.filter(pk=payment.pk).update(last_answer=str(error)[:200])
        raise ProviderUnavailable(payment.reference) from error
    pay_url = form_page(payment) if begun.form else begun.pay_url
    opened = open_attempt(payment.pk, pay_url=pay_url, code_url=begun.code_url)
    return Started(opened, started.is_new, begun.app_params)


def _begin(payment: Payment) -> PaymentPage:
    keys = keys_of(payment.account)
    attempt = attempt_of(payment, subject=_subject(payment))
    return get_provider(keys.provider).start(attempt, keys, gateway())


def _begin_in_app(payment: Payment) -> PaymentPage:
    keys = keys_of(payment.account)
    provider = get_provider(keys.provider)
    attempt = attempt_of(payment, subject=_subject(payment), openid=payment.order.buyer.openid)
    params = provider.start_in_app(attempt, keys, gateway()) if isinstance(provider, PaysInApp) else {}
    return PaymentPage(app_params=params)


def _subject(payment: Payment) -> str:
    return _("Order %(number)s") % {"number": payment.order.number}


def pays_in_app(account: PaymentAccount) -> bool:
    """Whether the buyer pays inside the provider's app, on a page that is opened there."""
    provider = get_provider(account.provider)
    return isinstance(provider, PaysInApp) and provider.pays_in_app(keys_of(account))


def form_page(payment: Payment) -> str:
    """Our own page, absolute, from which the browser posts the form that the provider's cashier wants."""
    return settings.PUBLIC_BASE_URL + reverse("pay-go", args=[payment.reference])


def form_of(payment: Payment) -> PaymentPage | None:
    """The form of an attempt that can still be paid, signed anew; None where there is nothing to post any more.

    Raises `OutsideError` when the account's keys have become unusable.
    """
    payable = payment.is_undecided and not payment.close_wanted_at
    if not payable or payment.expires_at <= timezone.now() or payment.pay_url != form_page(payment):
        return None
    begun = _begin(payment)
    return begun if begun.form else None
