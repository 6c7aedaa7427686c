"""SENTRY_DSN: errors reach a Sentry server without anything of the buyer's; without the package the start says so."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from ordersite.tests.site import ROOT, environment

NAME, PHONE = "金丝雀", "13800138000"
CODE = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "ordersite.settings"
import django
django.setup()
import logging, types, sys
import psycopg, sentry_sdk
from django.http import HttpRequest
from django.test import Client
from django.urls import path

def fails(request, token):
    buyer = {NAME!r}
    try:
        raise ValueError("tel {PHONE}")
    except ValueError as error:
        raise RuntimeError("a null\\nDETAIL:  Failing row contains (1, {NAME}, 灯笼街).") from error

module = types.ModuleType("failing_urls")
module.urlpatterns = [path("fails/<token>/", fails)]
sys.modules["failing_urls"] = module
from django.conf import settings
settings.ROOT_URLCONF = "failing_urls"
settings.MIDDLEWARE, settings.ALLOWED_HOSTS = [], ["*"]
client = Client(raise_request_exception=False)
client.cookies["sessionid"] = "cookie-of-a-buyer"
client.post("/fails/capability-of-a-buyer/?q={PHONE}", {{"name": {NAME!r}}}, headers={{"authorization": "Bearer tok-1"}})
logging.getLogger("ordersite.tests").error("not sent to %s", "{PHONE}", extra={{"problem": "tel {PHONE}"}})
sentry_sdk.flush()
"""


def _run(folder: Path, dsn: str, code: str) -> subprocess.CompletedProcess[str]:
    variables = environment(folder, port=1, sandbox_port=2, servers={}) | {"SENTRY_DSN": dsn}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


def _events(server: HTTPServer) -> list[str]:
    """The reports in the envelopes that arrived."""
    bodies = []
    for request, _answer in server.log:
        data = request.get_data()
        bodies.append(gzip.decompress(data).decode() if data.startswith(b"\x1f\x8b") else data.decode())
    return [line for body in bodies for line in body.splitlines() if '"event_id"' in line and "level" in line]


def test_report_holds_the_error_and_nothing_of_the_buyer(tmp_path: Path, httpserver: HTTPServer) -> None:
    def take(_request: Request) -> Response:
        return Response("{}")

    httpserver.expect_request("/api/1/envelope/").respond_with_handler(take)
    done = _run(tmp_path, f"http://key@127.0.0.1:{httpserver.port}/1", CODE)
    assert done.returncode == 0, done.stderr

    text = "\n".join(_events(httpserver))
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    kinds = [one["type"] for event in events for one in (event.get("exception") or {}).get("values", [])]
    assert {"ValueError", "RuntimeError"} <= set(kinds)
    assert any("not sent to 138****8000" in json.dumps(event.get("logentry")) for event in events)
    for canary in (NAME, "灯笼街", PHONE, "capability-of-a-buyer", "tok-1", "cookie-of-a-buyer"):
        assert canary not in json.dumps(events, ensure_ascii=False), canary
    assert any("/fails/{token}/" in json.dumps(event) for event in events)


def test_without_the_package_the_start_says_so(tmp_path: Path) -> None:
    hidden = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "sentry_sdk" else find(name, *more)
import ordersite.settings
"""
    done = _run(tmp_path, "https://key@sentry.example/1", hidden)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "ordersite cannot start: SENTRY_DSN is set, but sentry-sdk is not installed: .venv/bin/pip install sentry-sdk"
    ]


def test_malformed_address_is_one_line(tmp_path: Path) -> None:
    done = _run(tmp_path, "sentry.example", "import ordersite.settings")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "SENTRY_DSN is malformed" in done.stderr
