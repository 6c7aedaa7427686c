"""A small WSGI application behind the front, served by test_front.py: it says what it saw."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ordersite.server import front
from ordersite.server.bodies import IN_MEMORY, Uploads

front.SMALL_SECONDS = front.LARGE_SECONDS = 0.4
front.BYTES_PER_SECOND = 1_000_000
front.ROOM = IN_MEMORY + 1_000_000
_KEPT = (
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "SERVER_PORT",
)


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("as asked")
    if environ["PATH_INFO"] == "/notify/stuck":
        time.sleep(1.5)
    if environ["PATH_INFO"] == "/long":
        start_response("200 OK", [("content-type", "text/plain")])
        return _long(int(environ["QUERY_STRING"]))
    try:
        size = len(environ["wsgi.input"].read())
    except TimeoutError:
        start_response("408 Slow", [("x-said-by", "the application")])
        return [b""]
    start_response("200 OK", [("content-type", "application/json")])
    seen = {name: value for name, value in environ.items() if name in _KEPT or name.startswith("HTTP_")}
    return [json.dumps({**seen, "size": size, "pid": os.getpid()}).encode()]


def _long(megabytes: int) -> Iterator[bytes]:
    for number in range(megabytes):
        yield bytes([65 + number % 26]) * 1024 * 1024


def may_upload(environ: Mapping[str, Any]) -> bool:
    return str(environ.get("HTTP_COOKIE", "")) == "session=good"


application = front.Front(
    echo,
    threads=1,
    small_prefixes=("/notify/",),
    worded_prefixes=("/api/",),
    uploads=Uploads(lambda path: path == "/upload/", may_upload),
)
