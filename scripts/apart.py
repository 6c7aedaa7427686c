"""A pytest plugin that keeps the parallel processes of one run apart: a Redis database and a folder for each.

It acts when it is imported: the settings are read before any hook of a plugin could change the environment.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping


def set_apart(environment: MutableMapping[str, str], worker: str) -> None:
    """`worker` is xdist's name of the process (gw0, gw1 …), or empty; then there is nobody to be apart from."""
    if not worker:
        return
    number = int(worker.removeprefix("gw")) + 1
    if url := environment.get("REDIS_URL", ""):
        environment["REDIS_URL"] = f"{url.rstrip('/')}/{number}"
    if folder := environment.get("VAR_DIR", ""):
        environment["VAR_DIR"] = f"{folder}/{worker}"


set_apart(os.environ, os.environ.get("PYTEST_XDIST_WORKER", ""))
