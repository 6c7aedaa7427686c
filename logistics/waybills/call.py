"""Calls a carrier about one waybill. Needs no database, so that threads may call; never raises.

A time-out is no answer: the carrier is queried under the same reference before anything is ordered again, and what is
ordered again is ordered under the same reference, so that no carrier makes a second waybill of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from logistics.carrier_calls.recorder import CallRecorder
from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.types import CarrierError, CarrierKeys, MadeWaybill, NewWaybill, WaybillRequest
from logistics.waybills.carrier_request import personal_of
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from ordersite.lib.tracebacks import brief

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class CarrierStep(Enum):
    """What is done at the carrier in one try.

    ORDER: order it, for the first time. RESOLVE: find it, and order it again where it certainly is not there. FIND: find
    it only, since it is to be cancelled. CANCEL: cancel the number that is known. LABEL: fetch the label.
    """

    ORDER = "order"
    RESOLVE = "resolve"
    FIND = "find"
    CANCEL = "cancel"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class WaybillTask:
    """One try, with all that its calls need. `made` is set for CANCEL, `label_url` for LABEL."""

    step: CarrierStep
    connector: Carrier
    keys: CarrierKeys
    request: WaybillRequest
    made: MadeWaybill | None = None
    label_url: str = ""


@dataclass(slots=True)
class WaybillReply:
    """What a try brought: a waybill, its label, an end (`is_absent`, `is_cancelled`) or an error; `calls` for the log."""

    step: CarrierStep
    waybill: NewWaybill | None = None
    label: bytes = b""
    is_absent: bool = False
    is_cancelled: bool = False
    error: CarrierError | None = None
    calls: list[CallRecorder] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether the carrier certainly made none, and will not when it is ordered again.

        Where an earlier try may have made it, a bad key or an empty account says nothing about that one.
        """
        error, operations = self.error, [made.operation for made in self.calls]
        if error is None or operations[-1:] != [Operation.CREATE_WAYBILL]:
            return False
        is_first = self.step is CarrierStep.ORDER or Operation.FIND_WAYBILL in operations
        return error.outcome_known and not error.retryable and (is_first or not error.ends_run)

    @property
    def is_outage(self) -> bool:
        """Whether the account failed to answer, for its circuit breaker."""
        return self.error is not None and self.error.retryable


def call(task: WaybillTask) -> WaybillReply:
    """Make the calls of one try."""
    reply = WaybillReply(task.step)
    try:
        _STEPS[task.step](task, reply)
    except CarrierError as error:
        reply.error = error
    return reply


def _order(task: WaybillTask, reply: WaybillReply) -> None:
    reply.waybill = _run(
        task,
        reply,
        Operation.CREATE_WAYBILL,
        lambda gateway: task.connector.create_waybill(task.request, task.keys, gateway),
    )


def _find(task: WaybillTask, reply: WaybillReply) -> None:
    reply.waybill = _run(
        task,
        reply,
        Operation.FIND_WAYBILL,
        lambda gateway: task.connector.find_waybill(task.request, task.keys, gateway),
    )
    reply.is_absent = reply.waybill is None


def _resolve(task: WaybillTask, reply: WaybillReply) -> None:
    """A carrier that cannot be queried by reference answers a second order with the first one's waybill."""
    if Operation.FIND_WAYBILL in task.connector.operations:
        _find(task, reply)
    if reply.waybill is None:
        reply.is_absent = False
        _order(task, reply)


def _find_unwanted(task: WaybillTask, reply: WaybillReply) -> None:
    """Where it cannot be found, the only way to its number is to order it again, which makes no second one."""
    (_find if Operation.FIND_WAYBILL in task.connector.operations else _order)(task, reply)


def _cancel(task: WaybillTask, reply: WaybillReply) -> None:
    if task.made is None:
        raise RuntimeError("nothing to cancel")
    made = task.made
    _run(
        task,
        reply,
        Operation.CANCEL_WAYBILL,
        lambda gateway: task.connector.cancel_waybill(made, task.keys, gateway),
    )
    reply.is_cancelled = True


def _fetch_label(task: WaybillTask, reply: WaybillReply) -> None:
    def fetch(gateway: Gateway) -> bytes:
        answer = gateway.get(task.label_url)
        if answer.status != 200 or not answer.body:
            raise CarrierError("busy", f"HTTP {answer.status}")
        return answer.body

    reply.label = _run(task, reply, Operation.FETCH_LABEL, fetch)


_STEPS: dict[CarrierStep, Callable[[WaybillTask, WaybillReply], None]] = {
    CarrierStep.ORDER: _order,
    CarrierStep.RESOLVE: _resolve,
    CarrierStep.FIND: _find_unwanted,
    CarrierStep.CANCEL: _cancel,
    CarrierStep.LABEL: _fetch_label,
}


def _run(
    task: WaybillTask, reply: WaybillReply, operation: Operation, send: Callable[[Gateway], Result]
) -> Result:
    """Make one recorded call. Raises `CarrierError`; a fault of the connector itself leaves the outcome unknown."""
    recorder = CallRecorder(operation, task.keys, personal=personal_of(task.request))
    reply.calls.append(recorder)
    try:
        return recorder.run(send)
    except CarrierError:
        raise
    except OutsideError as error:
        raise CarrierError("busy" if error.outcome_known else "unknown", error.code) from error
    except Exception as error:  # the edge of a thread: the error is kept on the row
        logger.exception("waybill call failed", extra={"reference": task.request.reference})
        raise CarrierError("unknown", brief(error)[:150]) from error
