"""The id of the request that a thread works on, the proxy's or one made here: in each log line and beside stored calls."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from ordersite.server.client_address import is_proxy

HEADER = "X-Request-Id"
_ID = re.compile(r"[-0-9A-Za-z]{8,64}", re.ASCII)
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of this thread's request, of the last one after its end; empty where there was none (commands, workers)."""
    return _current.get()


def begin(meta: MutableMapping[str, Any]) -> str:
    """Give the request its id, also in its environ (`ordersite.request_id`). Only a proxy of ours is believed."""
    given = meta.get("HTTP_X_REQUEST_ID", "")
    if not (_ID.fullmatch(given) and is_proxy(meta, settings.TRUSTED_PROXIES)):
        # The form of nginx's. A name and no secret: the kernel's randomness costs a switch of threads in each call.
        given = f"{random.getrandbits(128):032x}"
    meta["ordersite.request_id"] = given
    _current.set(given)
    return str(given)


class RequestIdMiddleware:
    """The first of all: gives each request its id, which the response says too.

    The id stays until the thread's next request: what Django and the front log after the middleware belongs to it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = begin(request.META)
        response = self._get_response(request)
        response.headers[HEADER] = found
        return response


class RequestIdFilter(logging.Filter):
    """Puts the id into each record as `request_id`, empty outside a request; one that the caller named stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = current()
        return True
