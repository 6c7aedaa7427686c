"""Subscribes parcels to their carrier's pushes where the account allows it: each number once, with one of its queries.

A subscription is sent in the turn of the parcel's query, so that lease, limit and circuit breaker of the account hold for
it as well. One that is not accepted is tried again with a later query, and given up with the carrier's words.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from logistics.accounts import push_url_of
from logistics.carrier_calls.recorder import CallRecorder
from logistics.carriers import registry
from logistics.carriers.interface import Operation
from logistics.carriers.types import CarrierError, CarrierKeys, Route, TrackingQuery, TrackingStatus
from logistics.models import CarrierAccount, Shipment, Subscription
from logistics.tracking.pace import Pace

# Kuaidi100 takes four subscriptions of a number in a month.
MOST_TRIES = 4
_OVER = frozenset((TrackingStatus.DELIVERED, TrackingStatus.RETURNED))

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a subscription brought; `error` is None where the carrier accepted it."""

    recorder: CallRecorder
    error: Exception | None = None


def push_url_for(account: CarrierAccount, keys: CarrierKeys) -> str:
    """The address to which this account's carrier pushes; empty where parcels are not subscribed through it."""
    return push_url_of(account) if registry.get_carrier(keys.carrier).can_subscribe(keys) else ""


def wants(parcel: Shipment) -> bool:
    """Whether the parcel is neither subscribed nor given up."""
    return parcel.subscription == Subscription.NONE


def is_worth_it(found: Route | Exception | None) -> bool:
    """Whether a parcel is subscribed after this answer to its query: not while nothing works, nor at its end."""
    if isinstance(found, Route):
        return found.status not in _OVER
    return isinstance(found, CarrierError) and found.code == "nothing_found"


def subscribe(query: TrackingQuery, keys: CarrierKeys, push_url: str, pace: Pace) -> Subscribed:
    """Have the carrier push when its limit allows it. Never raises, and needs no database.

    The address is a secret and stays out of the log.
    """
    pace.wait()
    recorder = CallRecorder(Operation.SUBSCRIBE, keys, personal=(push_url,))
    carrier = registry.get_carrier(keys.carrier)
    try:
        recorder.run(lambda gateway: carrier.subscribe(query, keys, gateway, push_url=push_url))
    except Exception as error:  # the parcel stores the error; it is polled as before
        return Subscribed(recorder, error)
    return Subscribed(recorder)


def store_subscribed(parcel: Shipment, subscribed: Subscribed) -> None:
    """Store what a subscription brought, unless the number was changed meanwhile."""
    error, tries = subscribed.error, parcel.subscription_tries + 1
    state, problem = Subscription.ACTIVE, ""
    if error is not None:
        is_final = isinstance(error, CarrierError) and not (error.retryable or error.ends_run)
        state = Subscription.GIVEN_UP if is_final or tries >= MOST_TRIES else Subscription.NONE
        recorder = subscribed.recorder
        problem = f"{recorder.code}: {recorder.detail}"[:200] if recorder.detail else recorder.code
        if not isinstance(error, CarrierError):
            logger.error("subscription not understood", exc_info=error, extra={"shipment": parcel.pk})
    same = Shipment.objects.filter(
        pk=parcel.pk, tracking_number=parcel.tracking_number, subscription=Subscription.NONE
    )
    same.update(subscription=state, subscription_tries=tries, subscription_problem=problem)


def end_subscription(parcel: Shipment) -> None:
    """The carrier pushes no more: the parcel is polled as all others are."""
    Shipment.objects.filter(pk=parcel.pk, subscription=Subscription.ACTIVE).update(
        subscription=Subscription.ENDED
    )
