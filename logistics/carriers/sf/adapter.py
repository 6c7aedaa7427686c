"""SF's connector: create, find and cancel waybills, query routes ten at a time, read route pushes.

Sources: the platform's documents as stored at tl.88531.cn and showdoc.com.cn (envelope, push), yayiyo/sf-express-sdk
(orders), fuzui/aggregatelogistics (routes).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers import query_limits
from logistics.carriers.exchange import send_action, send_query
from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.numbers import tidy_number
from logistics.carriers.sf import pushes, requests, responses
from logistics.carriers.sf.codes import STATUS_BY_CODE
from logistics.carriers.sf.envelope import HEADERS, Stamp, form_of
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
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.outside_accounts.files import missing_keys

# Well formed and nobody's: the answer shows that address, partner and digest are right.
_PROBE = TrackingQuery(carrier="sf", tracking_number="SF0000000000000", phone_last4="0000")


class Sf(Carrier):
    """The connector of SF Express."""

    name = "sf"
    label = gettext_lazy("SF Express")
    config_keys = ("partner_id", "gateway_url", "monthly_card")
    secret_keys = ("checkword",)
    optional_config_keys = ("express_type_id", "insurance_service", *query_limits.KEYS)
    operations = frozenset(
        (
            Operation.QUERY,
            Operation.CREATE_WAYBILL,
            Operation.FIND_WAYBILL,
            Operation.CANCEL_WAYBILL,
            Operation.TRY_CONNECTION,
        )
    )
    numbers_a_call = requests.NUMBERS_A_CALL
    takes_pushes = True

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        url, product = keys.config.get("gateway_url", ""), keys.config.get("express_type_id", "")
        problems = missing_keys(self, keys) + (address_problems("gateway_url", url) if url else [])
        if product and not re.fullmatch(r"[1-9][0-9]{0,4}", product, re.ASCII):
            problems.append(_("express_type_id must be the number of a product."))
        service = keys.config.get("insurance_service", "")
        if service and not re.fullmatch(r"[0-9A-Za-z_]{2,20}", service, re.ASCII):
            problems.append(_("insurance_service must be the name of a service of SF, such as INSURE."))
        return problems + query_limits.limit_problems(keys)

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """Half an hour at least, as nothing less is promised; less only for an address on this machine."""
        return query_limits.interval_seconds(keys, url=keys.config.get("gateway_url", ""))

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """What the contract allows, as the account says."""
        return query_limits.agreed_rate(keys)

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""
        found = self.query_many([query], keys, gateway)[query.tracking_number]
        if isinstance(found, CarrierError):
            raise found
        return found

    def query_many(
        self, queries: Sequence[TrackingQuery], keys: CarrierKeys, gateway: Gateway
    ) -> Mapping[str, Route | CarrierError]:
        """Query up to ten parcels in one call; those that SF would not take are not sent. Raises `CarrierError`."""
        found: dict[str, Route | CarrierError] = {}
        sent = []
        for one in queries:
            problem = requests.query_problem(one)
            if problem is None:
                sent.append(one)
            else:
                found[one.tracking_number] = problem
        if sent:
            reply = _query(requests.ROUTES, requests.routes_content(sent), keys, gateway)
            routes = responses.read_routes(reply, [tidy_number(one.tracking_number) for one in sent])
            found |= {one.tracking_number: routes[tidy_number(one.tracking_number)] for one in sent}
        return found

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        """Order a waybill under `request.reference`; one that is there already is adopted. Raises `CarrierError`."""
        reply = _act(requests.CREATE, requests.create_content(request, keys), keys, gateway)
        try:
            return responses.read_created(reply, request)
        except responses.DuplicateOrder as duplicate:
            return _adopt(request, keys, gateway, words=str(duplicate))

    def find_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill | None:
        """Find what was ordered under `request.reference`; None: there is no waybill. Raises `CarrierError`."""
        try:
            return _find(request, keys, gateway)
        except CarrierError as error:
            if error.code == "refused":
                return None
            raise

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        """Cancel an order. Raises `CarrierError`."""
        responses.read_cancelled(_act(requests.UPDATE, requests.cancel_content(waybill), keys, gateway))

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        """Query a number that SF cannot know. Raises `CarrierError`. Each service is enabled by itself at SF."""
        try:
            self.query(_PROBE, keys, gateway)
        except CarrierError as error:
            if error.code != "nothing_found":
                raise

    def read_push(self, call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
        """Read a push, from the raw bytes. SF signs nothing. Raises `PushRejected`."""
        return pushes.read_push(call.body)

    def push_reply(self, accepted: bool) -> PushReply:
        """SF's words for a push as JSON."""
        return pushes.reply_to(b"{}", accepted)

    def push_reply_to(self, call: PushCall, accepted: bool) -> PushReply:
        """SF's words in the form in which the push came."""
        return pushes.reply_to(call.body, accepted)

    def status_of(self, provider_code: str) -> TrackingStatus:
        """What an opCode means by today's table."""
        return STATUS_BY_CODE.get(provider_code, TrackingStatus.UNKNOWN)


def _find(request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill | None:
    """Raises `CarrierError`: refused where SF took the order and will not carry the parcel."""
    reply = _query(requests.FIND, requests.find_content(request), keys, gateway)
    return responses.read_found(reply, request)


def _adopt(request: WaybillRequest, keys: CarrierKeys, gateway: Gateway, *, words: str) -> NewWaybill:
    """The waybill of an order that SF has. Raises `CarrierError`: unknown while SF does not say which."""
    try:
        found = _find(request, keys, gateway)
    except CarrierError as error:
        if error.code == "refused":
            raise
        raise CarrierError("unknown", f"{words}; {error.code} {error.detail}") from error
    if found is None:
        raise CarrierError("unknown", words)
    return found


def _form(service: str, content: Mapping[str, Any], keys: CarrierKeys) -> bytes:
    stamp = Stamp(request_id=str(uuid.uuid4()), timestamp=str(time.time_ns() // 1_000_000))
    return form_of(service, content, keys, stamp)


def _query(service: str, content: Mapping[str, Any], keys: CarrierKeys, gateway: Gateway) -> Reply:
    url = keys.config.get("gateway_url", "")
    return send_query(gateway, url, content=_form(service, content, keys), headers=HEADERS)


def _act(service: str, content: Mapping[str, Any], keys: CarrierKeys, gateway: Gateway) -> Reply:
    url = keys.config.get("gateway_url", "")
    return send_action(gateway, url, content=_form(service, content, keys), headers=HEADERS)
