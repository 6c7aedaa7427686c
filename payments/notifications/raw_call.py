"""A webhook call with its account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils import timezone

from ordersite.server.machine_calls import read_machine_call
from payments.accounts.cache import Known
from payments.providers.interface import Provider
from payments.providers.types import RawNotification


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A webhook call with its account.

    `headers` are those to be stored. `started` is `time.perf_counter()` at its arrival.
    """

    known: Known
    call: RawNotification
    headers: Mapping[str, str]
    remote_address: str
    started: float


def read_call(request: HttpRequest, provider: Provider, known: Known, *, started: float) -> ReceivedCall:
    """Read the whole request. Raises UnreadablePostError when the body does not arrive."""
    found = read_machine_call(request, signed=provider.signature_headers)
    call = RawNotification(headers=found.headers, body=found.body, received_at=timezone.now())
    return ReceivedCall(known, call, found.kept_headers, found.remote_address, started)
