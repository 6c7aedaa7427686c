"""A carrier that takes several numbers in one call, as SF does: its connector and its side, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.types import (
    CarrierError,
    CarrierKeys,
    Route,
    RouteEvent,
    TrackingQuery,
    TrackingStatus,
)
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway

AT = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)


class ManyAtOnce(Carrier):
    """A connector that names ten numbers in a call. `floor_seconds` counts per number."""

    name = "yto"
    label = "Many at once"
    config_keys = ("query_url",)
    secret_keys = ("key",)
    optional_config_keys = ("floor_seconds", "queries_per_second")
    operations = frozenset((Operation.QUERY, Operation.TRY_CONNECTION))
    numbers_a_call = 10

    def check(self, keys: CarrierKeys) -> list[str]:
        return []

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        return int(keys.config.get("floor_seconds") or 0)

    def most_queries_a_second(self, keys: CarrierKeys) -> int | None:
        rate = keys.config.get("queries_per_second")
        return int(rate) if rate else None

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        found = self.query_many([query], keys, gateway)[query.tracking_number]
        if isinstance(found, CarrierError):
            raise found
        return found

    def query_many(
        self, queries: Sequence[TrackingQuery], keys: CarrierKeys, gateway: Gateway
    ) -> Mapping[str, Route | CarrierError]:
        body = json.dumps({"numbers": [query.tracking_number for query in queries]})
        try:
            reply = gateway.post(keys.config["query_url"], content=body.encode(), headers={})
        except OutsideError as error:
            raise CarrierError("busy", error.code) from error
        if reply.status != 200:
            raise CarrierError("refused" if reply.status == 400 else "busy", f"HTTP {reply.status}")
        return {number: _found(state) for number, state in json.loads(reply.body).items()}

    def try_connection(self, keys: CarrierKeys, gateway: Gateway) -> None:
        query = TrackingQuery(carrier=self.name, tracking_number="YT0000000000")
        self.query_many([query], keys, gateway)


def _found(state: str) -> Route | CarrierError:
    if state in ("nothing_found", "refused", "busy"):
        return CarrierError(state, "as the carrier says")
    status = TrackingStatus(state)
    return Route(events=(RouteEvent(at=AT, status=status, text=state),), status=status)


class ManySide:
    """The carrier's side: keeps what was asked and when, and how many calls there were at once.

    `states` is its answer by number; a number in `poison` has the whole call refused.
    """

    def __init__(self, server: HTTPServer, path: str = "/many") -> None:
        self.url = server.url_for(path)
        self.calls: list[list[str]] = []
        self.times: list[float] = []
        self.states: dict[str, str] = {}
        self.poison: set[str] = set()
        self.delay_seconds = 0.0
        self.parallel = self.most_parallel = 0
        self._lock = threading.Lock()
        server.expect_request(path, method="POST").respond_with_handler(self._respond)

    def asked(self) -> Counter[str]:
        """How often each number was asked for."""
        return Counter(number for call in self.calls for number in call)

    def _respond(self, request: Request) -> Response:
        numbers = json.loads(request.get_data())["numbers"]
        with self._lock:
            self.calls.append(numbers)
            self.times.append(time.monotonic())
            self.parallel += 1
            self.most_parallel = max(self.most_parallel, self.parallel)
        time.sleep(self.delay_seconds)
        with self._lock:
            self.parallel -= 1
        if self.poison & set(numbers):
            return Response("{}", status=400)
        found = {number: self.states.get(number, "in_transit") for number in numbers}
        return Response(json.dumps({number: state for number, state in found.items() if state}))
