"""A small carrier over real HTTP, from its own side and from ours: a server that keeps waybills, and its connector."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from logistics.carriers import registry
from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.types import (
    CARRIER_ERRORS,
    CarrierError,
    CarrierKeys,
    MadeWaybill,
    NewWaybill,
    Route,
    TrackingQuery,
    WaybillRequest,
)
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.money import format_amount, parse_amount

NAME = "deppon"
LABEL = b"%PDF-1.7 a label"


class SmallConnector(Carrier):
    """The connector of the small carrier."""

    name = NAME
    label = "Small carrier"
    config_keys = ("gateway_url",)
    secret_keys = ("secret",)
    operations = frozenset(
        {Operation.CREATE_WAYBILL, Operation.FIND_WAYBILL, Operation.CANCEL_WAYBILL, Operation.QUERY}
    )

    def check(self, keys: CarrierKeys) -> list[str]:
        return []

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        return 0

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        raise CarrierError("nothing_found")

    def create_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill:
        body = {
            "reference": request.reference,
            "receiver": request.receiver.name,
            "goods": [[one.name, one.quantity] for one in request.goods],
            "insured": format_amount(request.insured_value) if request.insured_value else "",
        }
        return _waybill(_post(keys, gateway, "create", body))

    def find_waybill(self, request: WaybillRequest, keys: CarrierKeys, gateway: Gateway) -> NewWaybill | None:
        found = _post(keys, gateway, "find", {"reference": request.reference})
        return _waybill(found) if found.get("number") else None

    def cancel_waybill(self, waybill: MadeWaybill, keys: CarrierKeys, gateway: Gateway) -> None:
        _post(keys, gateway, "cancel", {"reference": waybill.reference, "number": waybill.tracking_number})


def connectors() -> MutableMapping[str, Carrier]:
    """The registry, open for one more connector."""
    found: Any = registry.CARRIERS
    connectors_by_name: MutableMapping[str, Carrier] = found
    return connectors_by_name


class ForgetfulConnector(SmallConnector):
    """The same carrier, which cannot be queried by reference."""

    operations = SmallConnector.operations - {Operation.FIND_WAYBILL}


def _waybill(answer: dict[str, Any]) -> NewWaybill:
    insured: Decimal | None = parse_amount(answer["insured"]) if answer.get("insured") else None
    return NewWaybill(
        tracking_number=answer["number"],
        label_url=answer.get("label_url", ""),
        marks={"route": "571-A1"},
        insured_value=insured,
        raw=json.dumps(answer),
    )


def _post(keys: CarrierKeys, gateway: Gateway, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        reply: Reply = gateway.post(
            f"{keys.config['gateway_url']}/{path}",
            content=json.dumps(body).encode(),
            headers={"x-secret": keys.secrets["secret"], "x-process": str(os.getpid())},
        )
    except OutsideError as error:
        raise CarrierError("busy" if error.outcome_known else "unknown", error.code) from error
    if reply.status >= 500:
        raise CarrierError("unknown", f"HTTP {reply.status}")
    answer: dict[str, Any] = json.loads(reply.body)
    if "refused" in answer:
        code = answer["refused"] if answer["refused"] in CARRIER_ERRORS else "refused"
        raise CarrierError(code, answer["refused"])
    return answer


class SmallCarrier:
    """The carrier's side. `faults` are used up one by one, by path: `lost` acts and never answers, `down` does nothing
    and answers 503, `acted_503` acts and answers 503, any other text refuses in these words.

    `numbers` are the waybills by reference, as long as the carrier lives; `made` counts how many it ever made.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.numbers: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.faults: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.made = 0
        self.gives_label = True
        self.insures = True
        self.seconds = 0.0
        # Called with received, made and answered while a waybill is ordered, and with the id of the calling process.
        self.at_step: Callable[[str, int], None] = lambda _step, _pid: None
        self._insured: dict[str, str] = {}
        self._lock = threading.Lock()

    def answer(self, path: str, body: dict[str, Any], *, pid: int = 0) -> tuple[int, bytes]:
        """The status and body of a call of a process; 0 for no answer at all."""
        with self._lock:
            self.calls.append(path)
            self.bodies.append(body)
            waiting = self.faults.get(path, [])
            fault = waiting.pop(0) if waiting else ""
        if path == "label":
            return (503, b"") if fault else (200, LABEL)
        if fault == "down":
            return 503, b""
        if fault and fault not in ("lost", "acted_503"):
            return 200, json.dumps({"refused": fault}).encode()
        if path == "create":
            self.at_step("received", pid)
        time.sleep(self.seconds)
        found = json.dumps(getattr(self, f"_{path}")(body)).encode()
        if path == "create":
            self.at_step("made", pid)
        return {"lost": (0, b""), "acted_503": (503, b"")}.get(fault, (200, found))

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if body["reference"] not in self.numbers:
                self.made += 1
                self.numbers[body["reference"]] = f"DP{abs(hash(self.url)) % 10**5:05}{self.made:07}"
                self._insured[body["reference"]] = body["insured"] if self.insures else ""
        return self._find(body)

    def _find(self, body: dict[str, Any]) -> dict[str, Any]:
        number = self.numbers.get(body["reference"], "")
        label = f"{self.url}/label" if self.gives_label else ""
        return {"number": number, "label_url": label, "insured": self._insured.get(body["reference"], "")}

    def _cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        self.cancelled.add(body["number"])
        return {"number": body["number"]}

    @property
    def wanted_numbers(self) -> set[str]:
        """The numbers that it made and did not cancel."""
        return set(self.numbers.values()) - self.cancelled


@contextmanager
def running() -> Iterator[SmallCarrier]:
    """Run the carrier's server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", "0"))
            self._reply(json.loads(self.rfile.read(size) or b"{}"))

        def do_GET(self) -> None:
            self._reply({})

        def _reply(self, body: dict[str, Any]) -> None:
            pid = int(self.headers.get("x-process", "0"))
            status, content = carrier.answer(self.path.strip("/"), body, pid=pid)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
            if self.path == "/create":
                carrier.at_step("answered", pid)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    carrier = SmallCarrier(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield carrier
    finally:
        server.shutdown()
        server.server_close()
