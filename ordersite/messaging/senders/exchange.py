"""Sends a call to a vendor, and says what a failure means: was the message taken, not taken, or is it not known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway, Reply
from ordersite.lib.strict_json import loads_object
from ordersite.messaging.senders.types import ChannelKeys, SendError

JSON = {"content-type": "application/json; charset=utf-8"}
# What a web server answers before a program has seen the call.
_NOT_TAKEN = frozenset((401, 403, 404, 405, 413, 415))


def json_body(content: Mapping[str, Any]) -> bytes:
    """The content as JSON in UTF-8, without escapes: WeChat shows escapes to the reader as they are."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def host_of(url: str) -> str:
    """The header Host as the client sends it: in lower case, with a port that is not the scheme's; empty for no URL."""
    try:
        return httpx2.URL(url).netloc.decode("ascii")
    except httpx2.InvalidURL:
        return ""


def post(gateway: Gateway, url: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
    """Send a POST and return an answer of any status.

    Raises `SendError`: unknown after a time-out; busy where nothing was sent; bad_keys where the address may not be
    called.
    """
    try:
        return gateway.post(url, content=content, headers=headers)
    except OutsideError as error:
        if not error.outcome_known:
            raise SendError("unknown", error.code) from error
        raise SendError("busy" if error.retryable else "bad_keys", error.code) from error


def read_object(reply: Reply) -> Mapping[str, Any]:
    """The JSON object of an answer, also of one with an error status.

    Raises `SendError`: what cannot be read may have been acted upon, unless the status says that no program saw it.
    """
    try:
        return loads_object(reply.body)
    except ValueError as error:
        code = "throttled" if reply.status == 429 else "bad_keys" if reply.status in _NOT_TAKEN else "unknown"
        raise SendError(code, f"HTTP {reply.status}") from error


def text_of(data: Mapping[str, Any], name: str) -> str:
    """A field as trimmed text, also of a whole number; empty for anything else."""
    value = data.get(name)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def code_of(vendor_code: str, table: Mapping[str, str], *, otherwise: str) -> str:
    """Our code of a vendor's error: its own row, or that of the longest row of a whole class, which ends in a dot."""
    found = table.get(vendor_code)
    if found is not None:
        return found
    classes = [row for row in table if row.endswith(".") and vendor_code.startswith(row)]
    return table[max(classes, key=len)] if classes else otherwise


def without(words: str, hidden: Iterable[str]) -> str:
    """The words with each of these texts blacked out: vendors quote keys and addresses in their errors."""
    for text in sorted((text for text in hidden if text), key=len, reverse=True):
        words = words.replace(text, "***")
    return words


def secrets_of(keys: ChannelKeys) -> tuple[str, ...]:
    """The secret texts of an account."""
    return tuple(value for value in keys.secrets.values() if isinstance(value, str))
