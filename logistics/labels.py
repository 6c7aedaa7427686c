"""How the state of a parcel is said and coloured. `tone` is good, waiting, bad or plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import CARRIERS


@dataclass(frozen=True, slots=True)
class Word:
    text: str | Promise
    tone: str


TRACKING: Mapping[str, Word] = {
    "pending": Word(_("waiting for pick-up"), "waiting"),
    "picked_up": Word(_("picked up"), "waiting"),
    "in_transit": Word(_("in transit"), "waiting"),
    "out_for_delivery": Word(_("out for delivery"), "waiting"),
    "ready_for_pickup": Word(_("ready for collection"), "waiting"),
    "delivered": Word(_("signed for"), "good"),
    "exception": Word(_("problem on the way"), "bad"),
    "returning": Word(_("on its way back"), "bad"),
    "returned": Word(_("returned"), "bad"),
    "unknown": Word(_("on the way"), "plain"),
}
_CARRIER_NAMES = dict(CARRIERS)


def tracking_word(status: str) -> Word:
    """The words for a tracking status; an unknown one is shown as it is."""
    return TRACKING.get(status, Word(status, "plain"))


def carrier_name(code: str) -> str:
    """The carrier's name in the reader's language."""
    return str(_CARRIER_NAMES.get(code, code))
