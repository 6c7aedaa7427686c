"""A person decides whose signature it was that a carrier reported of a parcel on its way back.

Some carriers say «signed for» both of the buyer and of the sender to whom a parcel goes back. The person's word becomes
an event of the timeline, so that whatever is pushed or polled afterwards is read together with it.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from logistics import cases
from logistics.carriers.types import Route, RouteEvent, TrackingStatus
from logistics.dispatch.progress import progress_of
from logistics.dispatch.route import Judged, judge
from logistics.dispatch.timeline import STAFF, events_of, milestones_of, store_events
from logistics.models import Shipment, ShipmentException
from orders import lifecycle
from orders.changes import Note
from orders.history.lines import Actor, Evidence
from ordersite.lib.errors import DomainError

TRIGGER = "signature_decided"


def decide_signature(case: ShipmentException, *, is_back: bool, user: AbstractBaseUser, reason: str) -> None:
    """Say that the parcel of a case came back (`is_back`) or that the buyer has it, and resolve the case.

    Writes a line of history. A parcel that came back becomes the case of a returned one; one that the buyer has is
    delivered, and may complete its order. Raises `DomainError` nothing_to_decide.
    """
    with transaction.atomic():
        if case.order_id is None:
            raise _nothing_to_decide()
        orders = lifecycle.lock([case.order_id])
        parcels = Shipment.objects.lock_of_order(case.order_id)
        parcel = next((row for row in parcels if row.pk == case.shipment_id), None)
        if parcel is None or progress_of(milestones_of(events_of(parcel))).signed_back_at is None:
            raise _nothing_to_decide()
        actor = Actor("staff", user.get_username())
        route = _word_of_a_person(is_back=is_back)
        timeline = store_events(parcel, route, STAFF)
        judge(parcel, timeline, Judged(orders, parcels, route, actor))
        evidence = Evidence("tracking", f"{parcel.carrier} {parcel.tracking_number}")
        lifecycle.apply_one(orders[parcel.order_id], Note(parcel.order_id, TRIGGER, actor, evidence, reason))
        cases.resolve(case, user=user, note=reason)


def _word_of_a_person(*, is_back: bool) -> Route:
    """The event that stands on the card, in the language of this installation."""
    with translation.override(settings.LANGUAGE_CODE):
        back = gettext("The shop has asked the carrier: the parcel came back.")
        kept = gettext("The shop has asked the carrier: the buyer has the parcel.")
    status = TrackingStatus.RETURNED if is_back else TrackingStatus.DELIVERED
    event = RouteEvent(at=timezone.now(), status=status, text=back if is_back else kept)
    return Route(events=(event,), status=status)


def _nothing_to_decide() -> DomainError:
    return DomainError(
        "nothing_to_decide", _("Nothing is left to decide: the parcel is not on its way back any more.")
    )
