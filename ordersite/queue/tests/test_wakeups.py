"""Wake-ups through a broker that is frozen: nobody waits for it, and it gets them when it runs again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import redis

from scripts.processes import wait_until
from scripts.services import new_folder, start_redis

pytestmark = [pytest.mark.kill, pytest.mark.redis]

# Says how long each of these took, as a web process would have waited.
CALLER = """
import sys, time
import django
django.setup()
from ordersite.queue import wakeups
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    wakeups.wake("rails.run_relay")
    print(time.perf_counter() - started, flush=True)
"""


def test_a_frozen_broker_holds_nobody_up() -> None:
    server = start_redis(new_folder("wakeups") / "redis")
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER],
        env={**os.environ, "DATABASE_URL": "", "CELERY_BROKER_URL": server.url, "LOG_LEVEL": "CRITICAL"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def wake() -> float:
        assert caller.stdin
        assert caller.stdout
        print("", file=caller.stdin, flush=True)
        return float(caller.stdout.readline())

    try:
        assert caller.stdout
        assert caller.stdout.readline() == "ready\n"
        server.freeze()
        assert max(wake() for _ in range(20)) < 0.05

        server.thaw()
        line = redis.Redis.from_url(server.url)
        assert wait_until(lambda: wake() < 0.05 and line.llen("ordersite") > 0, 10)
        assert {json.loads(one)["headers"]["expires"] for one in line.lrange("ordersite", 0, -1)} == {None}
    finally:
        caller.kill()
        caller.communicate()
        server.thaw()
        server.stop()
