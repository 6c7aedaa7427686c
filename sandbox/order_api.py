"""Calls the shop's order API with the bearer token of a file, and waits patiently while file or API are not there."""

import json
import logging
import threading

from sandbox.outgoing import Call, CallReply, send
from sandbox.world import World

log = logging.getLogger(__name__)


class OrderApi:
    """The API as one program of the outside calls it. `stop` ends its waits."""

    def __init__(self, world: World, *, name: str, token_file: str, stop: threading.Event) -> None:
        self._world, self._name, self._file, self._stop = world, name, token_file, stop
        self._trouble = ""

    def is_ready(self) -> bool:
        """Whether there is a token; says once what is missing."""
        if self._token():
            return True
        self._say(f"waiting for {self._file}")
        return False

    def call(self, method: str, path: str, body: object = None) -> CallReply | None:
        """Make a call. Returns None when the API is down or refuses; the next round tries again."""
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        content = b""
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        answer = send(Call(method, self._world.settings.ordersite_url + path, content, headers))
        if answer.status != 200:
            self._say(f"{method} {path.partition('?')[0]} answered {answer.status}: {answer.body[:200]!r}")
            if answer.status == 429:
                self._stop.wait(_retry_after(answer))
            return None
        self._say("")
        return answer

    def _token(self) -> str:
        try:
            return (self._world.settings.folder / self._file).read_text().strip()
        except FileNotFoundError:
            return ""

    def _say(self, trouble: str) -> None:
        """Log a repeated trouble only once."""
        if trouble and trouble != self._trouble:
            log.warning("%s: %s", self._name, trouble)
        self._trouble = trouble


def _retry_after(answer: CallReply) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), 60.0) if text.isdigit() else 5.0
