"""Says of one order why it is where it is: the first broken link of its chain, who has to act, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.utils.translation import gettext as _

from orders.models import Order
from ordersite.diagnosis.actions import Offered, actions_for
from ordersite.diagnosis.causes import CAUSES, NOTHING_WRONG, WHO
from ordersite.diagnosis.rooms import ROOMS
from ordersite.lib.panels import Link
from ordersite.messaging import diagnosis as messages


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The chain of an order, or of a payment that is of no order (`order` None), and the cause by its stable code.

    `subject` is the order's number, or what was looked for; `others` are the numbers of more orders that were found.
    """

    subject: str
    links: Sequence[Link]
    code: str
    text: str
    advice: str = ""
    who: str = ""
    actions: Sequence[Offered] = ()
    others: Sequence[str] = ()
    order: Order | None = None

    @property
    def is_broken(self) -> bool:
        return any(link.state == "broken" for link in self.links)


def links_of(order: Order) -> list[Link]:
    """Each app's links, in the order in which an order passes them. The number of queries does not grow."""
    return [*(link for room in ROOMS for link in room.explain(order)), *messages.explain(order)]


def diagnose(order: Order, user: User | AnonymousUser | None = None) -> Diagnosis:
    """Diagnose an order. With a person, only the actions that this person may do are offered."""
    links = links_of(order)
    return judge(order.number, links, user, order=order)


def judge(
    subject: str,
    links: Sequence[Link],
    user: User | AnonymousUser | None = None,
    *,
    order: Order | None = None,
) -> Diagnosis:
    """Name the cause: the first broken link, else why it is closed, else the first link that is waited for."""
    first = _first(links)
    code = code_of(first) if first else NOTHING_WRONG
    return Diagnosis(
        subject=subject,
        links=links,
        code=code,
        text=str(first.cause) if first else _("Nothing is wrong: the order moves as it should."),
        advice=str(first.advice) if first else "",
        who=str(WHO[CAUSES[code].who]),
        actions=actions_for(code, order, user),
        order=order,
    )


def code_of(link: Link) -> str:
    """The stable code of a link's cause. How an order was closed is part of the words."""
    return "order_closed" if link.name == "closing" else link.cause_code


def _first(links: Sequence[Link]) -> Link | None:
    known = [link for link in links if code_of(link) in CAUSES]
    broken = [link for link in known if link.state == "broken"]
    open_ones = [link for link in broken if link.name != "closing"] or broken
    waiting = [link for link in known if link.state == "waiting"]
    return next(iter([*open_ones, *waiting]), None)
