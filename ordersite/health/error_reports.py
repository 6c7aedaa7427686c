"""Reports errors to a Sentry server, where SENTRY_DSN names one and the package sentry-sdk is installed.

A report holds the traceback, the route and the fields of the log record, cleaned like the log. What a request carried
(address, body, cookies, headers), who sent it, local variables and the steps before are left out.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from ordersite.lib import env, tracebacks
from ordersite.logs import clean

_LEFT_OUT = ("request", "user", "breadcrumbs", "server_name", "modules")


def start_error_reports(address: str, *, version: str) -> None:
    """Report errors to this address (a DSN); nothing is done for an empty one. Stops the start where it cannot be done."""
    if not address:
        return
    if importlib.util.find_spec("sentry_sdk") is None:
        env.stop("SENTRY_DSN", "is set, but sentry-sdk is not installed: .venv/bin/pip install sentry-sdk")
    sentry: Any = importlib.import_module("sentry_sdk")
    try:
        sentry.init(
            dsn=address,
            release=f"ordersite@{version}",
            send_default_pii=False,
            max_request_body_size="never",
            include_local_variables=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            before_send=scrub,
        )
    except sentry.utils.BadDsn as error:
        env.stop("SENTRY_DSN", f"is malformed: {error}")


def scrub(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """Return a report without personal data; `hint` holds the error itself, whose texts replace those of the report."""
    for name in _LEFT_OUT:
        event.pop(name, None)
    (event.get("logentry") or {}).pop("params", None)
    error = (hint.get("exc_info") or (None, None, None))[1]
    texts = {str(one): tracebacks.text_of(one) for one in _chain(error)}
    for one in (event.get("exception") or {}).get("values") or ():
        one["value"] = texts.get(one.get("value"), one.get("value"))
    return {name: _cleaned(value) for name, value in event.items()}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner) for inner in value]
    return value
