"""A process that others kill: it forks a child for each line of its input, which orders a waybill or resolves some.

Input: a JSON object a line. Output: the child's process id, then, once it has ended, how.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django

django.setup()

from logistics.carriers import registry  # noqa: E402
from logistics.waybills.reserve import WantedWaybill, reserve  # noqa: E402
from logistics.waybills.resolve import order_now, resolve_waybills  # noqa: E402
from logistics.waybills.tests.small_carrier import NAME, SmallConnector  # noqa: E402
from orders.history.lines import Actor  # noqa: E402
from orders.intake import idempotency  # noqa: E402
from orders.models import ApiClient, Order  # noqa: E402


def order(wish: dict[str, Any]) -> None:
    """What the API does for one call: claim the key, reserve, commit, call, record."""
    client, found = ApiClient.objects.get(pk=wish["client"]), Order.objects.get(pk=wish["order"])
    wanted = WantedWaybill(carrier=NAME, account="small", warehouse="main")
    made = []

    def store() -> int:
        made.append(reserve(found, wanted, actor=Actor("client", "test")))
        return made[0].pk

    done = idempotency.run(client, wish["key"], "digest", store)
    if not done.replayed:
        order_now(made[0])


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    connectors: Any = registry.CARRIERS
    connectors[NAME] = SmallConnector()
    for line in sys.stdin:
        wish = json.loads(line)
        pid = os.fork()
        if not pid:
            order(wish) if wish["what"] == "order" else resolve_waybills(seconds=30)
            os._exit(0)
        tell(pid)
        tell(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
