"""Records one call to a carrier while a connector makes it. Needs no database, so that threads may call."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from django.utils import timezone

from logistics.carriers.interface import Operation
from logistics.carriers.types import CarrierError, CarrierKeys
from logistics.models.carrier_call import OK
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply, gateway
from ordersite.lib.tracebacks import brief
from ordersite.outside_accounts.body_masking import masker

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; `status` is None where none arrived."""

    status: int | None
    duration_ms: int
    request: str
    response: str


class _RecordingGateway(Gateway):
    """Sends through another gateway and keeps what was sent and what came back."""

    def __init__(self, masks: Callable[[bytes], str], through: Gateway | None) -> None:
        self._masks, self._through = masks, through or gateway()
        self.exchanges: list[Exchange] = []

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        return self._keep(url, content, lambda: self._through.post(url, content=content, headers=headers))

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        return self._keep(url, b"", lambda: self._through.get(url, headers=headers))

    def download(self, url: str, *, headers: Mapping[str, str], target: Path, max_bytes: int) -> Reply:
        def send() -> Reply:
            return self._through.download(url, headers=headers, target=target, max_bytes=max_bytes)

        return self._keep(url, b"", send)

    def _keep(self, url: str, content: bytes, send: Callable[[], Reply]) -> Reply:
        request = self._masks(f"{url}\n".encode() + content)
        started = timezone.now()
        try:
            reply = send()
        except OutsideError as error:
            spent = round((timezone.now() - started).total_seconds() * 1000)
            self.exchanges.append(Exchange(None, max(spent, 0), request, error.code))
            raise
        self.exchanges.append(Exchange(reply.status, reply.duration_ms, request, self._masks(reply.body)))
        return reply


class CallRecorder:
    """One operation at a carrier. `code` is `ok`, a code of `CARRIER_ERRORS` or `fault`, once it has run.

    `personal`: names, phones and streets in the request, which are hidden in the log as the account's secrets are.
    `through`: what sends, the gateway of the process without it.
    """

    def __init__(
        self,
        operation: Operation,
        keys: CarrierKeys,
        *,
        personal: Iterable[str] = (),
        through: Gateway | None = None,
    ) -> None:
        self.operation, self.at = operation, timezone.now()
        self.code, self.detail = "fault", ""
        self._masked = masker([*keys.secrets.values(), *personal])
        self._gateway = _RecordingGateway(self._masked, through)

    @property
    def exchanges(self) -> list[Exchange]:
        return self._gateway.exchanges

    def run(self, call: Callable[[Gateway], Result]) -> Result:
        """Make the call and keep how it ended. Raises what it raises."""
        try:
            result = call(self._gateway)
        except CarrierError as error:
            self.code, self.detail = error.code, self._masked(error.detail.encode())[:200]
            raise
        except Exception as error:
            self.detail = self._masked(brief(error).encode())[:200]
            raise
        self.code = OK
        return result

    def masked(self, text: str) -> str:
        """The text without the account's secrets and what is personal."""
        return self._masked(text.encode())


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A recorded operation and what it was about. `subject` is a waybill number or a reference.

    `code` and `detail` are about this subject alone, where the call as a whole was answered. `batch` joins the rows of a
    call about several subjects; only the first of them keeps what was sent and received.
    """

    recorder: CallRecorder
    subject: str = ""
    order_id: int | None = None
    code: str = ""
    detail: str = ""
    batch: str = ""
    is_first: bool = True

    @property
    def at(self) -> datetime:
        return self.recorder.at


def calls_of_batch(rows: Sequence[RecordedCall]) -> list[RecordedCall]:
    """Join the rows of one call, if there are several."""
    if len(rows) < 2:
        return list(rows)
    batch = secrets.token_hex(8)
    return [replace(row, batch=batch, is_first=not place) for place, row in enumerate(rows)]
