"""Labels and colours of parcels for people. A tone is good, waiting, bad or plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from logistics.carriers.types import CARRIER_ERRORS
from logistics.models import CARRIERS


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
_CARRIER_NAMES = dict(CARRIERS)
PROBLEMS: Mapping[str, Promise] = {
    **CARRIER_ERRORS,
    "fault": _("The carrier's answer could not be worked on."),
    "cannot_open": _("The secrets cannot be opened with the keys of this machine."),
    "switched_off": _("The account is switched off."),
    "not_asked": _("Nobody has asked it: see whether the worker of the queue “outside” runs."),
}


def tracking_label(status: str) -> Label:
    """The label of a tracking status; an unknown status is shown as it is."""
    return TRACKING.get(status, Label(status, "plain"))


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
