"""A fake Kuaidi100 for tests of polling."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.parse import parse_qs

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


class FakeKuaidi100:
    """Answers queries over real HTTP by waybill number, and records them."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/query.do")
        self.queries: list[dict[str, Any]] = []
        self.responses: dict[str, dict[str, Any]] = {}
        self.delay_seconds = 0.0
        self.parallel = self.most_parallel = 0
        self._lock = threading.Lock()
        server.expect_request("/query.do", method="POST").respond_with_handler(self._respond)

    def _respond(self, request: Request) -> Response:
        param = json.loads(parse_qs(request.get_data(as_text=True))["param"][0])
        with self._lock:
            self.queries.append(param)
            self.parallel += 1
            self.most_parallel = max(self.most_parallel, self.parallel)
        time.sleep(self.delay_seconds)
        with self._lock:
            self.parallel -= 1
        usual = route_response(param["num"], ("0", "1002", "运输中"))
        response = self.responses.get(param["num"]) or usual
        return Response(json.dumps(response), content_type="application/json")

    @property
    def numbers(self) -> list[str]:
        """The waybill numbers of the queries, in their order."""
        return [param["num"] for param in self.queries]


def route_response(number: str, *steps: tuple[str, str, str]) -> dict[str, Any]:
    """A route, oldest step first; a step is the overall state, the status code and the text."""
    data = [
        {"ftime": f"2026-11-02 10:{minute:02}:00", "context": text, "statusCode": code, "location": "杭州市"}
        for minute, (_state, code, text) in enumerate(steps)
    ]
    return {"status": "200", "message": "ok", "nu": number, "state": steps[-1][0], "data": data[::-1]}


def error_response(code: str) -> dict[str, Any]:
    return {"result": False, "returnCode": code, "message": "不行"}
