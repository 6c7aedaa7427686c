"""How payment attempts look on pages: the tone of a status, the provider's name, its last answer in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import stored_code, stored_message
from payments.models import PaymentStatus
from payments.providers.registry import PROVIDERS

TONES: Mapping[str, str] = {
    PaymentStatus.CREATED: "waiting",
    PaymentStatus.OPEN: "waiting",
    PaymentStatus.PAID: "good",
    PaymentStatus.CLOSED: "plain",
    PaymentStatus.REFUNDED: "bad",
}
# What a query of an attempt brought: a `TradeState`, or nothing to query with.
_ANSWERS: Mapping[str, Promise] = {
    "pending": _("not paid yet"),
    "not_found": _("not known there yet"),
    "paid": _("paid"),
    "closed": _("closed"),
    "refunded": _("refunded"),
    "unknown": _("a state that is new to us"),
    "not_applicable": _("this account cannot be queried"),
}


# Errors whose stored words say no more than this; others are shown in their own words.
_ERRORS: Mapping[str, Promise] = {
    "provider_unreachable": _("cannot be reached"),
    "provider_timeout": _("no answer within the time"),
}


def answer_label(last_answer: str) -> str:
    """Translate a stored `last_answer` of an attempt; an error is shown in its words, without its code."""
    if last_answer in _ANSWERS:
        return str(_ANSWERS[last_answer])
    return error_label(stored_code(last_answer), stored_message(last_answer))


def error_label(code: str, words: str) -> str:
    """What went wrong with a query, without its code."""
    return str(_ERRORS.get(code) or words) or "–"


def provider_label(name: str) -> str:
    """Translate a provider's name; an unknown name is shown as it is."""
    provider = PROVIDERS.get(name)
    return str(provider.label) if provider else name
