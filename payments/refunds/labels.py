"""How refund requests look on pages: the tone of a status, who has to act, the provider's last answer in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ordersite.lib.durations import time_until
from ordersite.lib.errors import stored_message
from payments.models import RefundRequest, RefundStatus
from payments.providers.types import RefundState

TONES: Mapping[str, str] = {
    RefundStatus.PROPOSED: "waiting",
    RefundStatus.APPROVED: "moving",
    RefundStatus.ORDERED: "moving",
    RefundStatus.ABNORMAL: "bad",
    RefundStatus.SUCCEEDED: "good",
    RefundStatus.FAILED: "bad",
    RefundStatus.REFUSED: "plain",
    RefundStatus.WITHDRAWN: "plain",
}
_ANSWERS: Mapping[str, Promise] = {
    RefundState.SUCCEEDED: gettext_lazy("refund confirmed"),
    RefundState.PROCESSING: gettext_lazy("being refunded"),
    RefundState.ABNORMAL: gettext_lazy("stuck there"),
    RefundState.FAILED: gettext_lazy("refund failed"),
    RefundState.NOT_DONE: gettext_lazy("not known there yet"),
}


def answer_label(last_answer: str) -> str:
    """Translate a stored `last_answer` of a refund, with the provider's own detail behind it; an error without its code."""
    state, _blank, detail = last_answer.partition(" ")
    if state not in _ANSWERS:
        return stored_message(last_answer) or "–"
    return " · ".join(filter(None, (str(_ANSWERS[state]), detail)))


def waits_for(request: RefundRequest) -> str:
    """Name who has to act next; empty where the request has ended."""
    if request.status == RefundStatus.PROPOSED:
        return _("a second person's approval")
    if request.status == RefundStatus.ABNORMAL:
        return _("a person at the provider's own pages")
    if request.status not in (RefundStatus.APPROVED, RefundStatus.ORDERED):
        return ""
    if request.next_try_at and request.next_try_at > timezone.now():
        return _("the provider; queried again in %(time)s") % {"time": time_until(request.next_try_at)}
    return _("the provider")
