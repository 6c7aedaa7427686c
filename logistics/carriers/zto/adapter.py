"""ZTO's connector: create, find and cancel waybills, query routes.

Sources: ZTO-Express/zopsdk-java (signature), fuzui/aggregatelogistics (query, scan types), public notes of tests against
open.zto.com (orders, error codes). Not known from any trustworthy source, and so not built: the body, the signature and
the answer of ZTO's pushes (poll, or subscribe through Kuaidi100). Public samples of `zto.open.getOrderInfo` look up by
ZTO's own numbers; we name our `partnerOrderCode`, and a platform that does not know that key refuses the call, so that
the waybill stays unknown and becomes a case for a person instead of a second waybill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    Route,
    TrackingQuery,
    TrackingStatus,
    WaybillRequest,
)
from logistics.carriers.zto import requests, responses
from logistics.carriers.zto.codes import STATUS_BY_SCAN
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.outside_accounts.files import missing_keys

# Well formed and nobody's: the answer shows that address, key and signature are right.
_PROBE = TrackingQuery(carrier="zto", tracking_number="73000000000000", phone_last4="0000")
_UNDERSTOOD = frozenset(("nothing_found", "phone_needed", "not_accepted"))


class Zto(Carrier):
    """The connector of ZTO."""

    name = "zto"
    label = gettext_lazy("ZTO")
    config_keys = ("app_key", "gateway_url", "account_id")
    secret_keys = ("app_secret", "account_password")
    optional_config_keys = query_limits.KEYS
    operations = frozenset(
        (
            Operation.QUERY,
            Operation.CREATE_WAYBILL,
            Operation.FIND_WAYBILL,
            Operation.CANCEL_WAYBILL,
            Operation.TRY_CONNECTION,
        )
    )

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        url = keys.config.get("gateway_url", "")
        addresses = address_problems("gateway_url", url) if url else []
        return missing_keys(self, keys) + addresses + query_limits.limit_problems(keys)

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """Half an hour at least, as nothing less is promised; less only for an address on this machine."""
        return query_limits.interval_seconds(keys, url=keys.config.get("gateway_url", ""))

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """What the contract allows, as the account says."""
        return query_limits.agreed_rate(keys)

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""
        reply = _send_query(requests.TRACK, requests.track_content(query), keys, gateway)
        return responses.read_route(reply, tidy_number(query.tracking_number))

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        """Order a waybill under `request.reference`. Raises `CarrierError`."""
        content = requests.create_content(request, keys)
        return responses.read_created(_send_action(requests.CREATE, content, keys, gateway))

    def find_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill | None:
        """Find what was ordered under `request.reference`; None: there is none. Raises `CarrierError`."""
        reply = _send_query(requests.FIND, requests.find_content(request), keys, gateway)
        return responses.read_found(reply, request.reference)

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        """Cancel a waybill. Raises `CarrierError`; ZTO refuses what a courier has."""
        content = requests.cancel_content(waybill)
        responses.read_cancelled(_send_action(requests.CANCEL, content, keys, gateway))

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        """Query a number that ZTO cannot know. Raises `CarrierError`."""
        try:
            self.query(_PROBE, keys, gateway)
        except CarrierError as error:
            if error.code not in _UNDERSTOOD:
                raise

    def status_of(self, provider_code: str) -> TrackingStatus:
        """What an event's code means by today's table."""
        return STATUS_BY_SCAN.get(provider_code, TrackingStatus.UNKNOWN)


def _send_query(operation: str, content: Mapping[str, Any], keys: CarrierKeys, gateway: Gateway) -> Reply:
    body = requests.to_json(content)
    url, headers = requests.address_of(operation, keys), requests.headers_of(body, keys)
    return send_query(gateway, url, content=body, headers=headers)


def _send_action(operation: str, content: Mapping[str, Any], keys: CarrierKeys, gateway: Gateway) -> Reply:
    body = requests.to_json(content)
    url, headers = requests.address_of(operation, keys), requests.headers_of(body, keys)
    return send_action(gateway, url, content=body, headers=headers)
