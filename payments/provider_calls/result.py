"""Turns a call to a provider into a result: an answer or an error. No database: runs in threads.

A time-out is an error here and never an answer: it says nothing about the money.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.tracebacks import brief
from payments.providers.types import AccountKeys

Answer = TypeVar("Answer")

# Errors of an answer that arrived and cannot be read: the provider is there, what became of the call is not known.
_UNREADABLE = frozenset(
    ("provider_answer_unreadable", "provider_answer_compressed", "provider_answer_too_large")
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult(Generic[Answer]):
    """An answer or an error; neither where there was nothing to call."""

    answer: Answer | None = None
    error: OutsideError | None = None

    @property
    def is_outage(self) -> bool:
        """Whether the provider failed to answer.

        A business refusal is an answer like any other. One that cannot be read is no outage either: it leaves the
        money unknown, and the circuit closed. One that cannot be trusted may come from anybody.
        """
        return self.error is not None and self.error.code not in (*_UNREADABLE, "provider_refused")


def answer_or_error(
    exchange: Callable[[], Answer], *, reference: str
) -> tuple[Answer | None, OutsideError | None]:
    """Run the exchange and return its answer or its error; never raises. `reference` is for the log."""
    try:
        return exchange(), None
    except OutsideError as error:
        return None, error
    except Exception as error:  # the edge of a thread: the error is recorded on the row
        logger.exception("call failed", extra={"reference": reference})
        return None, _adapter_error(error)


def _adapter_error(error: Exception) -> OutsideError:
    return OutsideError(
        "adapter_failed",
        _("The answer could not be worked on: %(detail)s"),
        retryable=True,
        outcome_known=False,
        detail=brief(error)[:150],
    )


def usable_keys(keys: AccountKeys | None) -> AccountKeys:
    """The keys of an account; raises `OutsideError` where they could not be read."""
    if keys is None:
        raise OutsideError(
            "provider_misconfigured", _("The account's secrets cannot be read."), retryable=False
        )
    return keys
