"""Reads the answers to subscriptions and to carrier recognition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logistics.carriers.kuaidi100.codes import (
    COMPANIES_BY_COM,
    RECOGNISE_ERRORS,
    SUBSCRIBE_ERRORS,
    SUBSCRIBED,
)
from logistics.carriers.kuaidi100.routes import text_of
from logistics.carriers.types import CarrierError
from ordersite.lib.http import Reply
from ordersite.lib.strict_json import loads_object


def read_subscribed(reply: Reply) -> None:
    """Check the answer to a subscription; one that stood already is a success. Raises `CarrierError`."""
    try:
        answer = loads_object(reply.body)
    except ValueError as error:
        raise CarrierError("busy", f"the answer {error}") from error
    code = text_of(answer, "returnCode")
    if code not in SUBSCRIBED:
        detail = f"{code} {text_of(answer, 'message')}".strip()
        raise CarrierError(SUBSCRIBE_ERRORS.get(code, "busy"), detail)


def read_guesses(answer: Any) -> tuple[str, ...]:
    """Our codes of the guessed carriers, the likeliest first, each once. Raises `CarrierError`."""
    if isinstance(answer, list):
        return tuple(dict.fromkeys(_codes(answer)))
    if not isinstance(answer, dict):
        raise CarrierError("busy", "neither a list nor an object")
    code = text_of(answer, "returnCode")
    raise CarrierError(RECOGNISE_ERRORS.get(code, "busy"), f"{code} {text_of(answer, 'message')}".strip())


def _codes(rows: list[Any]) -> Iterator[str]:
    for row in rows:
        com = text_of(row, "comCode") if isinstance(row, dict) else ""
        if com in COMPANIES_BY_COM:
            yield COMPANIES_BY_COM[com]
