"""Strategies in plain sentences, as staff reads them in lists, forms and logs."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from orders.models import RiskAction, StrategyKind

# `{time}`, `{count}` and `{action}` are put in here, and by the script of the form while somebody types.
SENTENCES: Mapping[str, Promise] = {
    StrategyKind.DEVICE: _("More than {count} orders from one device within {time} → {action}"),
    StrategyKind.IP: _("More than {count} orders from one IP address within {time} → {action}"),
    StrategyKind.PHONE: _("More than {count} orders with one phone number within {time} → {action}"),
    StrategyKind.ADDRESS: _("More than {count} orders to one address within {time} → {action}"),
    StrategyKind.VELOCITY: _("More than {count} orders of one buyer within {time} → {action}"),
    StrategyKind.AMOUNT_PATTERN: _(
        "More than {count} orders of the same total by other buyers on one device within {time} → {action}"
    ),
    StrategyKind.ATTEMPTS: _(
        "More than {count} attempts of one buyer to order one product within {time} → {action}"
    ),
}
# Why a strategy may hit honest buyers, and what it does not see.
EXPLANATIONS: Mapping[str, Promise] = {
    StrategyKind.DEVICE: _(
        "The device id is a random one that the shop's checkout page keeps in the browser. A till or a tablet that many "
        "buyers use has one as well; an order without one is not counted."
    ),
    StrategyKind.IP: _(
        "Families, offices, campuses and the customers of a mobile carrier share an address. IPv6 is counted by its /64; "
        "private addresses are not counted."
    ),
    StrategyKind.PHONE: _("Parents and secretaries order for others with their own number."),
    StrategyKind.ADDRESS: _(
        "Offices, dormitories and parcel stations are the address of many. Blanks, punctuation and width do not matter."
    ),
    StrategyKind.VELOCITY: _("All orders of one buyer, whatever the product."),
    StrategyKind.AMOUNT_PATTERN: _(
        "Brushing pays the same total from one device through many accounts. What the same buyer ordered before is not "
        "counted; an order without a device id is not counted."
    ),
    StrategyKind.ATTEMPTS: _(
        "Refused attempts count as well, replays of one request do not. The review of suspected brushing works by it."
    ),
}


def span(seconds: int) -> str:
    """A length of time in the largest unit that fits: `10 minutes`."""
    if seconds % 3600 == 0:
        return ngettext("%(count)d hour", "%(count)d hours", seconds // 3600) % {"count": seconds // 3600}
    if seconds % 60 == 0:
        return ngettext("%(count)d minute", "%(count)d minutes", seconds // 60) % {"count": seconds // 60}
    return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}


def sentence(kind: str, *, count: int, seconds: int, action: str) -> str:
    """Say what a strategy does, in the reader's language. `action` is a RiskAction, or what is said in its place."""
    label = RiskAction(action).label if action in RiskAction.values else action
    return str(SENTENCES[kind]).format(count=count, time=span(seconds), action=label)
