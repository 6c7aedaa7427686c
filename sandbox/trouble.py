"""Applies the faults of a gateway before and after a call is processed."""

import time
from collections.abc import Callable, Mapping

from sandbox.web import HangUp, Response
from sandbox.world import World


def troubled(world: World, *, target: str, work: Callable[[Mapping[str, float]], Response]) -> Response:
    """Run a call under the waiting faults of its gateway.

    `drop` and `status_500` fail before the call is processed; `timeout` processes it and never answers. Raises HangUp.
    """
    active = world.faults_at(target)
    time.sleep(active.get("delay", 0))
    if "drop" in active:
        raise HangUp
    if "status_500" in active:
        return Response(500, b"<html><body><h1>500 Internal Server Error</h1></body></html>", "text/html")
    response = work(active)
    if "timeout" in active:
        time.sleep(active["timeout"])
        raise HangUp
    return response
