"""The two base classes of errors: a refusal of the product, and a failed call to the outside."""

from __future__ import annotations

import re
from typing import Any

from django.utils.functional import Promise

_CODE = re.compile(r"[a-z]+(?:_[a-z]+)+: ", re.ASCII)


def stored_code(text: str) -> str:
    """The code of an error that was stored as `str(error)`; empty where the text is none."""
    found = _CODE.match(text)
    return found[0].removesuffix(": ") if found else ""


def stored_message(text: str) -> str:
    """The words of an error that was stored as `str(error)`, without its code; any other text as it is."""
    return _CODE.sub("", text, count=1) if _CODE.match(text) else text


class DomainError(Exception):
    """A refusal with a stable code; `message` may be lazy and is formatted with `params` when it is shown."""

    def __init__(self, code: str, message: str | Promise, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.template = message
        self.params = params

    @property
    def message(self) -> str:
        return str(self.template) % self.params if self.params else str(self.template)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class OutsideError(DomainError):
    """A call to the outside failed.

    `retryable`: the same call may succeed later. `outcome_known` is False when the other side may have acted on
    the request all the same (a time-out after sending): then query before trying again.
    """

    def __init__(
        self, code: str, message: str | Promise, *, retryable: bool, outcome_known: bool = True, **params: Any
    ) -> None:
        super().__init__(code, message, **params)
        self.retryable = retryable
        self.outcome_known = outcome_known
