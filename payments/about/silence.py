"""An unpaid order whose provider gives no answer: nobody knows whether the buyer has paid, and every page says so."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.truth.facts import BuyerWords, TruthLine
from orders.truth.states import join
from ordersite.lib.durations import time_until
from ordersite.lib.errors import stored_code
from payments.about.labels import error_label, provider_label
from payments.models import Payment, PaymentQuery, PaymentStatus


def is_silent(payment: Payment, answer: PaymentQuery | None) -> bool:
    """Whether the provider of this undecided attempt does not answer. `answer`: what its last queries brought."""
    is_failure = answer.is_failure if answer else _is_unstarted(payment, answer)
    return is_failure or payment.account.is_circuit_open


def _is_unstarted(payment: Payment, answer: PaymentQuery | None) -> bool:
    """Whether the provider failed when the attempt was started, so that the buyer saw no payment page."""
    return (
        answer is None and payment.status == PaymentStatus.CREATED and bool(stored_code(payment.last_answer))
    )


def silence_line(payment: Payment, answer: PaymentQuery | None, *, is_notified: bool) -> TruthLine:
    """The line about an attempt whose last queries failed (`answer`), or whose account's circuit is open."""
    if _is_unstarted(payment, answer):
        return _unstarted_line(payment)
    provider = {"provider": provider_label(payment.account.provider)}
    buyer = _("%(provider)s does not answer. If you have paid, your money is not lost: do not pay again.")
    return TruthLine(
        code="silent",
        tone="bad",
        staff=_staff(payment, answer, is_notified=is_notified),
        merchant=_("It cannot be confirmed whether the buyer has paid: %(provider)s does not answer.")
        % provider,
        buyer=BuyerWords(_("Your payment cannot be confirmed yet"), buyer % provider),
        mark=_("cannot be confirmed"),
        url_name="payments_payment_change",
        url_id=payment.pk,
    )


def _unstarted_line(payment: Payment) -> TruthLine:
    provider = {"provider": provider_label(payment.account.provider)}
    words = _(
        "The payment could not be started: %(provider)s does not answer. The buyer may pay another way."
    )
    return TruthLine(
        code="unstarted",
        tone="bad",
        staff=words % provider,
        merchant=words % provider,
        buyer=BuyerWords(
            _("The payment could not be started"),
            _("%(provider)s does not answer. Try again later, or pay another way.") % provider,
        ),
        mark=_("payment not started"),
        url_name="payments_payment_change",
        url_id=payment.pk,
    )


def _staff(payment: Payment, answer: PaymentQuery | None, *, is_notified: bool) -> str:
    words = _failed(payment, answer if answer and answer.is_failure else None)
    if not is_notified:
        words = join(words, _("No payment notification has arrived."))
    until = payment.account.circuit_open_until
    if until is None:
        return words
    paused = _("Queries are paused for %(time)s.") % {"time": time_until(until)}
    return join(words, paused)


def _failed(payment: Payment, answer: PaymentQuery | None) -> str:
    provider = provider_label(payment.account.provider)
    if answer is None:
        return _("It cannot be confirmed whether the buyer has paid: %(provider)s does not answer.") % {
            "provider": provider
        }
    if answer.is_refusal:
        words = _(
            "It cannot be confirmed whether the buyer has paid: %(provider)s refuses the query (%(error)s)."
        )
        return words % {"provider": provider, "error": error_label(answer.error_code, answer.error)}
    words = ngettext(
        "It cannot be confirmed whether the buyer has paid: %(provider)s left the last %(times)d query unanswered.",
        "It cannot be confirmed whether the buyer has paid: %(provider)s left the last %(times)d queries unanswered.",
        answer.times,
    )
    return words % {"provider": provider, "times": answer.times}
