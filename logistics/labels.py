"""Labels and colours of parcels for people. A tone is good, waiting, bad or plain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from logistics.carriers.interface import Operation
from logistics.carriers.types import CARRIER_ERRORS
from logistics.models import CARRIERS, Dispatch, DispatchLine, DispatchStatus
from logistics.models.carrier_call import OK
from ordersite.lib.money import display_amount


@dataclass(frozen=True, slots=True)
class Label:
    text: str | Promise
    tone: str


TRACKING: Mapping[str, Label] = {
    "pending": Label(_("waiting for pick-up"), "waiting"),
    "picked_up": Label(_("picked up"), "waiting"),
    "in_transit": Label(_("in transit"), "waiting"),
    "out_for_delivery": Label(_("out for delivery"), "waiting"),
    "ready_for_pickup": Label(_("ready for collection"), "waiting"),
    "delivered": Label(_("signed for"), "good"),
    "exception": Label(_("problem on the way"), "bad"),
    "returning": Label(_("on its way back"), "bad"),
    "returned": Label(_("returned"), "bad"),
    "unknown": Label(_("on the way"), "plain"),
}
OPERATIONS: Mapping[str, str | Promise] = {
    Operation.QUERY.value: _("route query"),
    Operation.SUBSCRIBE.value: _("subscription to pushes"),
    Operation.RECOGNISE.value: _("recognition of a number"),
    Operation.CREATE_WAYBILL.value: _("order of a waybill"),
    Operation.FIND_WAYBILL.value: _("search for a waybill"),
    Operation.CANCEL_WAYBILL.value: _("cancellation of a waybill"),
    Operation.FETCH_LABEL.value: _("fetch of a label"),
    Operation.TRY_CONNECTION.value: _("trial of the connection"),
}
_RESULT_TONES = {OK: "good", "nothing_found": "waiting"}
_CARRIER_NAMES = dict(CARRIERS)
# By `choose.distance_of`.
_DISTANCES: Mapping[int | None, Promise] = {
    0: _("It stands in %(province)s, where the goods go."),
    1: _("It serves %(province)s."),
    2: _("It serves all provinces."),
}
_NOT_SERVED = _("It does not serve %(province)s otherwise.")
DISPATCH_TONES: Mapping[str, str] = {
    "waiting": "waiting", "sent": "waiting", "accepted": "moving", "refused": "bad", "shipped": "good",
    "cancelled": "plain",
}  # fmt: skip
_ANSWERED = (DispatchStatus.ACCEPTED, DispatchStatus.SHIPPED)
# What a warehouse's refusal says, by its code; others are the warehouse's own.
REFUSALS: Mapping[str, Promise] = {
    "out_of_stock": _("out of stock"),
    "address_unserved": _("the address is not served"),
    "rerouted": _("sent from elsewhere"),
    "refused": _("refused without a reason"),
}
PROBLEMS: Mapping[str, Promise] = {
    **CARRIER_ERRORS,
    "fault": _("The carrier's answer could not be worked on."),
    "cannot_open": _("The secrets cannot be opened with the keys of this machine."),
    "provider_unreachable": _("The address cannot be reached."),
    "provider_timeout": _("No answer arrived in time."),
    "provider_answer_too_large": _("The answer was too large."),
    "provider_answer_compressed": _("The answer was compressed."),
    "bad_address": _("The address may not be called."),
    "switched_off": _("The account is switched off."),
    "not_asked": _("Nobody has asked it: see whether the worker of the queue “outside” runs."),
}

# Why a parcel is not polled when a person asks for it.
REFRESH_REFUSALS: Mapping[str, Promise] = {
    "too_soon": _("The carrier was polled a moment ago; its rate limit allows the next poll later."),
    "arrived": _("The parcel has arrived; there is nothing left to poll."),
    "too_old": _("The parcel left more than 90 days ago: its route is polled no more."),
    "no_account": _("There is no carrier account through which this parcel can be polled."),
    "circuit_open": _("Circuit open: the carrier account failed often and is not called for a while."),
    "busy_here": _("Many carriers are being polled at this moment: this parcel follows within seconds."),
    "failed": _("The carrier did not answer."),
}


def dispatch_reasons(reasons: Mapping[str, Any]) -> list[str]:
    """Why a warehouse was chosen, in the reader's words, a sentence each; `reasons` is `Dispatch.reasons`."""
    said = []
    if person := reasons.get("by"):
        said.append(gettext("%(person)s chose it.") % {"person": person})
    distance = reasons.get("distance")
    if "distance" in reasons:
        sentence = _DISTANCES.get(distance, _NOT_SERVED)
        said.append(str(sentence) % {"province": reasons.get("province", "")})
    parts = int(reasons.get("parts", 1))
    if parts > 1:
        said.append(
            gettext("No warehouse has all of the order: it is split over %(parts)d.") % {"parts": parts}
        )
    if "cost" in reasons:
        cost = {
            "cost": display_amount(Decimal(reasons["cost"])),
            "priority": reasons.get("priority", "–"),
        }
        said.append(gettext("A parcel from it costs %(cost)s; its priority is %(priority)s.") % cost)
    return said


def goods_of(lines: Iterable[tuple[str, DispatchLine]]) -> str:
    """The goods of an instruction by name, and how many of them are in parcels already where not all are."""
    said = []
    for name, line in lines:
        goods = f"{name} ×{line.quantity}"
        if 0 < line.shipped < line.quantity:
            goods = gettext("%(goods)s (%(shipped)d sent)") % {"goods": goods, "shipped": line.shipped}
        said.append(goods)
    return " · ".join(said)


def dispatch_answer(row: Dispatch) -> str:
    """What the warehouse answered to an instruction; empty where it has not."""
    if row.status == DispatchStatus.REFUSED:
        code = str(REFUSALS.get(row.refusal, row.refusal))
        return f"{code} · {row.message}" if row.message else code
    return str(DispatchStatus(row.status).label) if row.status in _ANSWERED else ""


def tracking_label(status: str) -> Label:
    """The label of a tracking status; an unknown status is shown as it is."""
    return TRACKING.get(status, Label(status, "plain"))


def call_result(result: str) -> Label:
    """The label of a call's result in the log."""
    text = _("usable answer") if result == OK else PROBLEMS.get(result, result)
    return Label(text, _RESULT_TONES.get(result, "bad"))


def carrier_name(code: str) -> str:
    """The carrier's name in the reader's language; an unknown code is shown as it is."""
    return str(_CARRIER_NAMES.get(code, code))


def problem_label(problem: str) -> str:
    """Why a poll brought no route, from a stored `last_problem` of a parcel or an account; empty when it brought one."""
    code, _colon, detail = problem.partition(": ")
    text = str(PROBLEMS.get(code, code))
    return (
        pgettext("problem and detail", "%(text)s (%(detail)s)") % {"text": text, "detail": detail}
        if detail
        else text
    )
