"""Starts payment attempts: one open attempt of an order, stored before its provider is called."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from orders import lifecycle
from orders.errors import order_not_payable
from orders.models import Order
from ordersite.lib.errors import OutsideError
from ordersite.outside_accounts.web_calls import WebGateway
from payments.accounts.keys import keys_of
from payments.attempts.errors import ProviderUnavailable, openid_missing
from payments.lifecycle.apply import open_attempt
from payments.models import Payment, PaymentAccount, PaymentStatus
from payments.polling.call import attempt_of, is_queryable
from payments.polling.poll import close_now, query_now
from payments.polling.schedule import next_poll_at
from payments.providers.interface import PaysInApp
from payments.providers.registry import get_provider
from payments.providers.types import Attempt, PaymentPage
from payments.references import new_reference

# Of two clicks at once each may find and close the other's attempt, and an attempt may turn out to be closed at its
# provider; so often a click tries again.
_MOST_TRIES = 3
# A page or code that the provider lets live no longer than this is ordered anew: the buyer needs time to pay.
PAGE_MARGIN = timedelta(minutes=5)
# A buyer waits, and a web thread with him.
_GATEWAY = WebGateway(total=8.0)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartedAttempt:
    """An attempt that the buyer can pay.

    `is_new`: created by this call, not found open. `was_closing`: found, and its provider may have closed it already.
    `app_params`: signed parameters that a page inside the provider's app passes on to it; empty elsewhere.
    """

    payment: Payment
    is_new: bool
    was_closing: bool = False
    app_params: Mapping[str, str] = field(default_factory=dict)


def start_attempt(order: Order, account: PaymentAccount) -> StartedAttempt:
    """Find or create the account's open attempt for the order's amount, with its payment page. Call outside transactions.

    Open attempts at other accounts are closed at their providers first. The attempt expires at the provider when the
    order closes; one that is closed there already is followed by a new one. Raises `DomainError`: order_not_payable;
    openid_missing where the account collects inside the provider's app; provider_unavailable (the attempt is stored and
    is polled later).
    """
    if pays_in_app(account) and not order.buyer.openid:
        raise openid_missing(order.number)
    for _try in range(_MOST_TRIES):
        close_others(order, account)
        found = _find_or_create(order.pk, account)
        started = _with_payment_page(found) if found else None
        if started:
            return started
    raise order_not_payable(order.number, "busy")


def close_others(order: Order, account: PaymentAccount) -> None:
    """Close the open attempts at other accounts before a new one starts.

    One whose provider does not answer or does not know it yet stays marked, and polling closes it: the buyer may pay
    another way meanwhile. Money that comes there all the same is a surplus, for which a case is opened.
    """
    others = order.payments.undecided().not_closing()
    for payment in others.exclude(account=account).select_related("account"):
        close_now(payment)


def _find_or_create(order_id: int, account: PaymentAccount) -> StartedAttempt | None:
    """Lock the order, then find or create the attempt; None when another account's attempt has appeared meanwhile."""
    now = timezone.now()
    with transaction.atomic():
        order = lifecycle.lock([order_id])[order_id]
        _check_payable(order, now)
        open_ones = Payment.objects.undecided().lock_of_order(order.pk)
        if any(one.account_id != account.pk and not one.close_wanted_at for one in open_ones):
            return None
        for one in open_ones:
            if one.account_id == account.pk and one.amount == order.total_amount:
                was_closing = one.close_wanted_at is not None
                return StartedAttempt(_reopen(one, account, now), is_new=False, was_closing=was_closing)
        return StartedAttempt(_insert(order, account, now), is_new=True)


def _check_payable(order: Order, now: datetime) -> None:
    code = lifecycle.start_payment(order, at=now) or ("order_overdue" if order.close_due_at <= now else "")
    if code:
        # Raised inside the transaction, which undoes what start_payment has written.
        raise order_not_payable(order.number, code.removeprefix("order_"))


def _reopen(payment: Payment, account: PaymentAccount, now: datetime) -> Payment:
    """Cancel the request to close an attempt: the buyer returned to this provider."""
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
        subject=_subject(order),
        created_at=now,
        expires_at=order.close_due_at,
    )
    payment.next_query_at = next_poll_at(payment, now=now) if is_queryable(keys_of(account)) else None
    payment.save(force_insert=True)
    return payment


def _with_payment_page(found: StartedAttempt) -> StartedAttempt | None:
    """Get the payment page from the provider, unless a usable one is known; None: the attempt is closed there.

    After a failed start, or where the page is too old, the provider is queried first. Parameters for the provider's app
    expire, so they are signed anew each time; an attempt that started with a code to scan keeps being scanned.
    """
    payment = found.payment
    in_app = pays_in_app(payment.account) and not payment.code_url
    if payment.status == PaymentStatus.OPEN and not (in_app or found.was_closing or is_page_stale(payment)):
        return found
    if not found.is_new and query_now(payment) and not _is_payable(payment):
        return None
    try:
        page = _request_app_params(payment) if in_app else _request_page(payment)
    except OutsideError as error:
        _check_closed(found, error)
        return None
    opened = _keep_page(payment, page, is_renewed=not found.is_new)
    return StartedAttempt(opened, found.is_new, app_params=page.app_params)


def is_page_stale(payment: Payment) -> bool:
    """Whether the provider may have let the attempt's page or code die, or will within PAGE_MARGIN."""
    lifetime = get_provider(payment.account.provider).page_lifetime
    made_at = payment.page_renewed_at or payment.created_at
    return lifetime is not None and timezone.now() >= made_at + lifetime - PAGE_MARGIN


def _is_payable(payment: Payment) -> bool:
    """Whether the attempt is still undecided; False: closed. Raises `DomainError` order_not_payable: it was paid."""
    now = Payment.objects.select_related("order").get(pk=payment.pk)
    if now.is_settled:
        raise order_not_payable(now.order.number, str(now.status))
    return now.is_undecided


def _check_closed(found: StartedAttempt, error: OutsideError) -> None:
    """Raises `ProviderUnavailable` after a start that failed, unless the attempt is closed at its provider by now.

    A definite refusal of an attempt that the provider may know: it was closed or paid meanwhile, or it was ordered with
    other content, and nobody can order it again. Then it is closed, so that a new one can start.
    """
    payment = found.payment
    logger.warning("attempt not started: %s", error, extra={"reference": payment.reference})
    Payment.objects.filter(pk=payment.pk).update(last_answer=str(error)[:200])
    if not found.is_new and error.code == "provider_refused":
        close_now(payment)
        if not _is_payable(payment):
            return
    raise ProviderUnavailable(payment.reference) from error


def _keep_page(payment: Payment, page: PaymentPage, *, is_renewed: bool) -> Payment:
    """Store the page of an attempt, in place of the old one where it was ordered anew; return the attempt as it is now."""
    pay_url = form_address(payment) if page.form else page.pay_url
    opened = open_attempt(payment.pk, pay_url=pay_url, code_url=page.code_url)
    if is_renewed and opened.is_undecided:
        opened.pay_url, opened.code_url = pay_url or opened.pay_url, page.code_url or opened.code_url
        opened.page_renewed_at = timezone.now()
        opened.save(update_fields=["pay_url", "code_url", "page_renewed_at"])
    return opened


def _request_page(payment: Payment) -> PaymentPage:
    keys = keys_of(payment.account)
    return get_provider(keys.provider).start(_attempt(payment), keys, _GATEWAY)


def _request_app_params(payment: Payment) -> PaymentPage:
    keys = keys_of(payment.account)
    provider = get_provider(keys.provider)
    attempt = _attempt(payment, openid=payment.order.buyer.openid)
    params = provider.start_in_app(attempt, keys, _GATEWAY) if isinstance(provider, PaysInApp) else {}
    return PaymentPage(app_params=params)


def _attempt(payment: Payment, *, openid: str = "") -> Attempt:
    attempt = attempt_of(payment, openid=openid)
    if attempt.subject:
        return attempt
    # Attempts of before have no subject; the language of the moment must not choose one.
    with override(settings.LANGUAGE_CODE):
        return replace(attempt, subject=_subject(payment.order))


def _subject(order: Order) -> str:
    return _("Order %(number)s") % {"number": order.number}


def pays_in_app(account: PaymentAccount) -> bool:
    """Whether buyers of this account pay on a page inside the provider's app (WeChat)."""
    provider = get_provider(account.provider)
    return isinstance(provider, PaysInApp) and provider.pays_in_app(keys_of(account))


def form_address(payment: Payment) -> str:
    """The absolute address of our page that posts a form to the provider's cashier."""
    return settings.PUBLIC_BASE_URL + reverse("pay-go", args=[payment.reference])


def form_of(payment: Payment) -> PaymentPage | None:
    """The payment page of a payable attempt whose cashier wants a form, signed anew; None for any other attempt.

    Raises `OutsideError` when the account's keys have become unusable.
    """
    payable = payment.is_undecided and not payment.close_wanted_at
    if not payable or payment.expires_at <= timezone.now() or payment.pay_url != form_address(payment):
        return None
    page = _request_page(payment)
    return page if page.form else None
