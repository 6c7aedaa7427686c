"""The connector of Kuaidi100, which answers tracking queries for nearly all Chinese carriers.

Sources: api.kuaidi100.com/document/5f0ffb5ebc8da837cbd8aefc (query), kuaidi100-api/java-demo (shapes).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy

from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.kuaidi100.account import account_problems, agreed_rate, configured_interval
from logistics.carriers.kuaidi100.calls import act, ask, read_list
from logistics.carriers.kuaidi100.codes import STATUS_BY_CODE
from logistics.carriers.kuaidi100.labels import explain, read_cancelled, read_waybill
from logistics.carriers.kuaidi100.pushes import ACCEPTED, NOT_STORED, read_push
from logistics.carriers.kuaidi100.requests import (
    LABEL_CONFIG,
    LABEL_SECRETS,
    cancel_form,
    order_form,
    query_form,
    recognise_query,
    subscribe_form,
)
from logistics.carriers.kuaidi100.routes import read_answer
from logistics.carriers.kuaidi100.subscriptions import read_guesses, read_subscribed
from logistics.carriers.numbers import tidy_number
from logistics.carriers.types import (
    DEFAULT_INTERVAL_SECONDS,
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
from ordersite.lib.http import Gateway, is_loopback
from ordersite.outside_accounts.files import missing_keys

RECOGNISE_URL = "https://www.kuaidi100.com/autonumber/auto"
MOST_QUERIES_A_DAY = 48


class Kuaidi100(Carrier):
    """The connector of Kuaidi100."""

    name = "kuaidi100"
    label = gettext_lazy("Kuaidi100")
    config_keys = ("customer", "query_url")
    secret_keys = ("key",)
    # The second row belongs to the label account with the carrier, under the names of the label API.
    optional_config_keys = (
        "subscribe_url", "label_url", "recognise_url", "min_interval_seconds", "queries_per_second",
        *LABEL_CONFIG, "expType", "payType", "tempId",
    )  # fmt: skip
    optional_secret_keys = ("secret", "salt", *LABEL_SECRETS)
    # No FIND_WAYBILL: the vendor cannot be asked for an order. A repeated order gives the first one's waybill.
    operations = frozenset(
        (
            Operation.QUERY,
            Operation.SUBSCRIBE,
            Operation.RECOGNISE,
            Operation.CREATE_WAYBILL,
            Operation.CANCEL_WAYBILL,
            Operation.FETCH_LABEL,
            Operation.TRY_CONNECTION,
        )
    )
    takes_pushes = True

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        return [*missing_keys(self, keys), *account_problems(keys)]

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        """At least half an hour, as the vendor demands; less only for an address on this machine."""
        seconds = configured_interval(keys)
        if seconds is None:
            return DEFAULT_INTERVAL_SECONDS
        is_local = is_loopback(keys.config.get("query_url", ""))
        return seconds if is_local else max(seconds, DEFAULT_INTERVAL_SECONDS)

    def status_of(self, provider_code: str) -> TrackingStatus:
        """What an event's code means by today's table."""
        return STATUS_BY_CODE.get(provider_code, TrackingStatus.UNKNOWN)

    def most_queries_a_day(self, keys: CarrierKeys) -> int | None:
        """The vendor answers nothing new about a number for a day after so many queries within 24 hours."""
        return MOST_QUERIES_A_DAY

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        """What the contract allows, as the account says; without one the vendor promises one query at a time."""
        return agreed_rate(keys)

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """Query the route of a parcel. Raises `CarrierError`."""
        reply = ask(keys.config.get("query_url", ""), query_form(query, keys), gateway)
        return read_answer(reply, tidy_number(query.tracking_number))

    def can_subscribe(self, keys: CarrierKeys) -> bool:
        """Whether the account has the address of subscriptions; the vendor bills each number once a month."""
        return bool(keys.config.get("subscribe_url"))

    def subscribe(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway, *, push_url: str) -> None:
        """Have a parcel's events pushed; at most four times a month and parcel. Raises `CarrierError`."""
        form = subscribe_form(query, keys, push_url=push_url)
        read_subscribed(ask(_address(keys, "subscribe_url"), form, gateway))

    def recognise(self, number: str, keys: CarrierKeys, gateway: Gateway) -> tuple[str, ...]:
        """Our codes of the carriers that the vendor guesses: a hint, no proof. Costs a call. Raises `CarrierError`."""
        address = keys.config.get("recognise_url") or _own_recognition(keys)
        return read_guesses(read_list(f"{address}?{recognise_query(number, keys)}", gateway))

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        """Order a waybill; the same reference gives the same waybill for 48 hours. Raises `CarrierError`."""
        form = order_form(request, keys, t=_milliseconds())
        return read_waybill(act(_address(keys, "label_url"), form, gateway), request)

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        """Cancel a waybill; one that is cancelled already is no error. Raises `CarrierError`."""
        form = cancel_form(waybill, keys, t=_milliseconds())
        read_cancelled(act(_address(keys, "label_url"), form, gateway))

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        """Query a number that no carrier has, another one each time. Raises `CarrierError`."""
        number = f"NONE{secrets.randbelow(10**10):010d}"
        with _unknown_number_is_fine():
            self.query(TrackingQuery(carrier="yto", tracking_number=number), keys, gateway)

    def read_push(self, call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
        """Check and read a push. Raises `PushRejected`."""
        return (read_push(call, keys),)

    def push_reply(self, accepted: bool) -> PushReply:
        """The words after which the vendor is content; after any others it pushes again in half an hour, three times."""
        return ACCEPTED if accepted else NOT_STORED

    def explain(self, detail: str) -> str:
        """What to do about a refusal, by the vendor's words; empty if they are new to us."""
        return explain(detail)


@contextmanager
def _unknown_number_is_fine() -> Iterator[None]:
    """Take «nothing found» for a success: the vendor has checked account and signature by then."""
    try:
        yield
    except CarrierError as error:
        if error.code != "nothing_found":
            raise


def _address(keys: CarrierKeys, name: str) -> str:
    """An address of the account. Raises `CarrierError` where it has none: the account does not use that interface."""
    address = keys.config.get(name, "")
    if not address:
        raise CarrierError("not_accepted", f"{name} is missing")
    return address


def _own_recognition(keys: CarrierKeys) -> str:
    """The vendor's public address, for accounts at the vendor itself: the key goes nowhere else."""
    host = urlsplit(keys.config.get("query_url", "")).hostname or ""
    if not f".{host}".endswith(".kuaidi100.com"):
        raise CarrierError("not_accepted", "recognise_url is missing")
    return RECOGNISE_URL


def _milliseconds() -> str:
    return str(time.time_ns() // 1_000_000)
