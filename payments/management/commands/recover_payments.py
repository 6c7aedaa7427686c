"""Poll providers for payments that a restored database has lost."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from payments.reconciliation.recovery import Recovered, fetch_bills, recover_payments


def _time(text: str) -> datetime:
    """Parse ISO 8601; a time without a zone is in the shop's zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else timezone.make_aware(at)


class Command(BaseCommand):
    help = (
        "After a restore or a fail-over: asks for every attempt that could be paid since TIME and is not settled here, "
        "and fetches the bills of those days. Run it when the site is up again; it may be run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=_time, metavar="TIME", required=True,
            help="when the copy was made, or a little earlier; ISO 8601, in the shop's zone if it has none",
        )  # fmt: skip
        parser.add_argument(
            "--minutes", type=float, default=60, help="how long to wait for providers that do not answer (60)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *_args: Any, **options: Any) -> None:
        since, patience = options["since"], timedelta(minutes=options["minutes"])
        found = recover_payments(since, patience=patience, report=self._report)
        states = Counter(str(fetch.state) for fetch in fetch_bills(since))
        found.bills = dict(sorted(states.items()))
        self.stdout.write(json.dumps(found.as_dict()) if options["json"] else _summary(found))

    def _report(self, done: int, total: int) -> None:
        self.stderr.write(f"asked {done} of {total}")


def _summary(found: Recovered) -> str:
    numbers = {name: value for name, value in found.as_dict().items() if name != "bills"}
    bills = ", ".join(f"{state} {count}" for state, count in found.bills.items()) or "none"
    return ", ".join(f"{name}: {value}" for name, value in numbers.items()) + f"; bills: {bills}"
