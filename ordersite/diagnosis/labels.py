"""The words and colours of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.panels import Link

LINKS: Mapping[str, str | Promise] = {
    "order": _("order"),
    "hold": _("hold"),
    "refund": _("refund"),
    "closing": _("closing"),
    "payment_attempt": _("payment attempt"),
    "notification": _("payment notification"),
    "signature": _("signature"),
    "business_checks": _("business checks"),
    "applied": _("money booked"),
    "settlement": _("manual settlement"),
    "statement": _("statement"),
    "dispatched": _("instruction to a warehouse"),
    "shipped": _("shipping"),
    "tracked": _("tracking"),
    "signed": _("signed for"),
    "message": _("message to the buyer"),
}
STATES: Mapping[str, tuple[str | Promise, str]] = {
    "good": (pgettext_lazy("link", "good"), "good"),
    "waiting": (pgettext_lazy("link", "waited for"), "waiting"),
    "broken": (pgettext_lazy("link", "broken"), "bad"),
    "not_applicable": (pgettext_lazy("link", "does not apply"), "plain"),
}


@dataclass(frozen=True, slots=True)
class ChainRow:
    """A link as a page shows it."""

    link: Link
    name: str | Promise
    state: str | Promise
    tone: str


def chain_of(links: Sequence[Link]) -> list[ChainRow]:
    """The links in words, in their order."""
    return [ChainRow(link, LINKS.get(link.name, link.name), *STATES[link.state]) for link in links]
