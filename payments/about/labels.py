"""How payment attempts look on pages: the tone of a status, the provider's name, its last answer in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from payments.models import PaymentStatus
from payments.providers.registry import PROVIDERS

TONES: Mapping[str, str] = {
    PaymentStatus.CREATED: "waiting",
    PaymentStatus.OPEN: "waiting",
    PaymentStatus.PAID: "good",
    PaymentStatus.CLOSED: "plain",
    PaymentStatus.REFUNDED: "bad",
}
_ANSWERS: Mapping[str, Promise] = {
    "pending": _("not paid yet"),
    "not_found": _("not known there yet"),
    "paid": _("paid"),
    "closed": _("closed"),
    "refunded": _("refunded"),
    "unknown": _("a state that is new to us"),
    "not_applicable": _("this account cannot be queried"),
}


def answer_label(last_answer: str) -> str:
    """Translate a stored `last_answer` of an attempt; an error is shown as it was stored."""
    return str(_ANSWERS.get(last_answer, last_answer)) or "–"


def provider_label(name: str) -> str:
    """Translate a provider's name; an unknown name is shown as it is."""
    provider = PROVIDERS.get(name)
    return str(provider.label) if provider else name
