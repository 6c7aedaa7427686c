"""STO's connector: create and cancel waybills, query routes, take pushes.

Sources: the platform's documents (open.sto.cn) as several public clients repeat them, see each module. What they leave
open: no documented call finds an ordinary order by our number, hence no `FIND_WAYBILL`. `orderNo` is unique, the documents
say, so that whoever does not know the outcome orders again under the same reference; whether STO then answers with the
first waybill or refuses is not public, and a refusal that may be one of a duplicate is `unknown`, never `refused`. How many
numbers a query may name is not public either: it names one.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers import query_limits
from logistics.carriers.exchange import send_action, send_query
from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.numbers import tidy_number
from logistics.carriers.sto import envelope, pushes, requests, responses
from logistics.carriers.sto.codes import STATUS_BY_SCAN
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
from ordersite.lib.http import Gateway
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.outside_accounts.files import missing_keys

# Well formed and nobody's: the answer shows that address, key and digest are right.
_PROBE = TrackingQuery(carrier="sto", tracking_number="770000000000000")
_SERVICES = re.compile(r"[A-Z_]{2,40}(?: [A-Z_]{2,40}){0,9}", re.ASCII)


class Sto(Carrier):
    """The connector of STO Express."""

    name = "sto"
    label = gettext_lazy("STO")
    config_keys = ("app_key", "gateway_url", "order_source", "site_code", "customer_name")
    secret_keys = ("secret_key", "site_password")
    optional_config_keys = ("from_code", "service_types", *query_limits.KEYS)
    operations = frozenset(
        (Operation.QUERY, Operation.CREATE_WAYBILL, Operation.CANCEL_WAYBILL, Operation.TRY_CONNECTION)
    )
    takes_pushes = True

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        url, services = keys.config.get("gateway_url", ""), keys.config.get("service_types", "")
        problems = missing_keys(self, keys) + (address_problems("gateway_url", url) if url else [])
        if services and not _SERVICES.fullmatch(services):
            problems.append(
                _(
                    "service_types must be names of services of STO with a space between them, such as TRACE_PUSH."
                )
            )
        return problems + query_limits.limit_problems(keys)

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """Half an hour at least, as nothing less is promised; less only for an address on this machine."""
        return query_limits.interval_seconds(keys, url=keys.config.get("gateway_url", ""))

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """What the contract allows, as the account says."""
        return query_limits.agreed_rate(keys)

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""
        body = envelope.form_of(envelope.ROUTES, requests.routes_content(query), keys)
        reply = send_query(gateway, _url(keys), content=body, headers=envelope.HEADERS)
        return responses.read_route(reply, tidy_number(query.tracking_number))

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        """Order a waybill under `request.reference`, which is one order however often it is sent.

        Raises `CarrierError`.
        """
        body = envelope.form_of(envelope.CREATE, requests.create_content(request, keys), keys)
        reply = send_action(gateway, _url(keys), content=body, headers=envelope.HEADERS)
        return responses.read_created(reply, request)

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        """Cancel a waybill. Raises `CarrierError`."""
        body = envelope.form_of(envelope.CANCEL, requests.cancel_content(waybill, keys), keys)
        responses.read_cancelled(send_action(gateway, _url(keys), content=body, headers=envelope.HEADERS))

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        """Query a number that STO cannot know. Raises `CarrierError`. Each interface is applied for by itself at STO."""
        try:
            self.query(_PROBE, keys, gateway)
        except CarrierError as error:
            if error.code != "nothing_found":
                raise

    def read_push(self, call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
        """Check and read a push, from the raw bytes. Raises `PushRejected`."""
        return pushes.read_push(call.body, keys)

    def push_reply(self, accepted: bool) -> PushReply:
        """STO's own words for a push that was stored, or that was not."""
        return pushes.reply(accepted)

    def status_of(self, provider_code: str) -> TrackingStatus:
        """What a scanType means by today's table."""
        return STATUS_BY_SCAN.get(provider_code, TrackingStatus.UNKNOWN)


def _url(keys: CarrierKeys) -> str:
    return keys.config.get("gateway_url", "")
