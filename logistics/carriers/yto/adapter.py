"""YTO's connector: create and cancel waybills, query routes, take pushes.

Sources: third parties that agree (methods, signature, the query's two answers), fuzui/aggregatelogistics (codes). There is
no documented call that finds an order by our number, and so no `FIND_WAYBILL`. The platform says that `logisticsNo` and the
customer's channel name one single order: whoever does not know the outcome orders again under the same reference. That the
second order is answered with the first one's number is not stated anywhere; a refusal of a duplicate is read as
`unknown`, never as a refusal, so that a person looks instead of a number being lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers import query_limits
from logistics.carriers.exchange import send_action, send_query
from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import (
    CarrierError,
    CarrierKeys,
    MadeWaybill,
    NewWaybill,
    PushCall,
    PushedRoute,
    PushReply,
    Route,
    TrackingQuery,
    TrackingStatus,
    WaybillRequest,
)
from logistics.carriers.yto import pushes, requests, responses
from logistics.carriers.yto.codes import STATUS_BY_CONTENT
from logistics.carriers.yto.requests import YtoInterface
from ordersite.lib.http import Gateway
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.outside_accounts.files import missing_keys

# Well formed and nobody's: the answer shows that address, key and signature are right.
_PROBE = TrackingQuery(carrier="yto", tracking_number="YT0000000000000")
_UNDERSTOOD = frozenset(("nothing_found", "not_accepted"))
_HEADERS = {"content-type": "application/json; charset=utf-8"}
_URLS = ("gateway_url", *(f"{one.prefix}_url" for one in requests.INTERFACES))


class Yto(Carrier):
    """The connector of YTO."""

    name = "yto"
    label = gettext_lazy("YTO")
    config_keys = ("customer_code", "gateway_url")
    secret_keys = ("secret",)
    optional_config_keys = (*_URLS[1:], "user_id", "push_digest", *query_limits.KEYS)
    optional_secret_keys = (*(f"{one.prefix}_secret" for one in requests.INTERFACES), "push_secret")
    operations = frozenset(
        (Operation.QUERY, Operation.CREATE_WAYBILL, Operation.CANCEL_WAYBILL, Operation.TRY_CONNECTION)
    )
    takes_pushes = True

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        problems = missing_keys(self, keys)
        for name in _URLS:
            problems += address_problems(name, keys.config[name]) if keys.config.get(name) else []
        if keys.config.get("push_digest", pushes.USUAL_DIGEST) not in pushes.DIGESTS:
            problems.append(
                _("push_digest must be one of: %(names)s.") % {"names": ", ".join(pushes.DIGESTS)}
            )
        return problems + query_limits.limit_problems(keys)

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """Half an hour at least, as nothing less is promised; less only for an address on this machine."""
        return query_limits.interval_seconds(keys, url=requests.address_of(requests.TRACK, keys))

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """What the contract allows, as the account says."""
        return query_limits.agreed_rate(keys)

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""
        url, body = _call(requests.TRACK, requests.track_content(query), keys)
        reply = send_query(gateway, url, content=body, headers=_HEADERS)
        return responses.read_route(reply, tidy_number(query.tracking_number))

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        """Order a waybill under `request.reference`, which is one order however often it is sent.

        Raises `CarrierError`.
        """
        url, body = _call(requests.CREATE, requests.create_content(request), keys)
        return responses.read_created(send_action(gateway, url, content=body, headers=_HEADERS))

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        """Cancel a waybill. Raises `CarrierError`."""
        url, body = _call(requests.CANCEL, requests.cancel_content(waybill), keys)
        reply = send_action(gateway, url, content=body, headers=_HEADERS)
        responses.read_cancelled(reply, waybill.reference)

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        """Query a number that YTO cannot know. Raises `CarrierError`."""
        try:
            self.query(_PROBE, keys, gateway)
        except CarrierError as error:
            if error.code not in _UNDERSTOOD:
                raise

    def read_push(self, call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
        """Check and read a push, from the raw bytes. Raises `PushRejected`."""
        return pushes.read_push(call, keys)

    def push_reply(self, accepted: bool) -> PushReply:
        """YTO's own words for a push that was stored, or that was not."""
        return pushes.reply(accepted)

    def push_reply_to(self, call: PushCall, accepted: bool) -> PushReply:
        """YTO's own words for this push, which name its order."""
        return pushes.reply(accepted, call)

    def status_of(self, provider_code: str) -> TrackingStatus:
        """What an event's code means by today's table."""
        return STATUS_BY_CONTENT.get(provider_code, TrackingStatus.UNKNOWN)


def _call(interface: YtoInterface, content: Mapping[str, Any], keys: CarrierKeys) -> tuple[str, bytes]:
    """The address and the signed body of a call made now."""
    body = requests.body_of(interface, content, keys, at_ms=time.time_ns() // 1_000_000)
    return requests.address_of(interface, keys), body
