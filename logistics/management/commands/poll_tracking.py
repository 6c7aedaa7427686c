"""`poll_tracking`: poll the carriers for all due parcels, or now for the given waybill numbers.

The account's minimum interval between two queries of one parcel is kept.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from logistics.carriers.numbers import tidy_number
from logistics.models import Shipment
from logistics.tracking.poll import refresh_now
from logistics.tracking.poller import Counts
from logistics.tracking.run import poll_tracking

MAX_SECONDS = 3600.0


class Command(BaseCommand):
    help = "Ask carriers where parcels are: all that are due, or the given waybill numbers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--due", action="store_true", help="all parcels that are due (the default)")
        choice.add_argument("--number", nargs="+", action="extend", default=[], metavar="N")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        counts = self._refresh(options["number"]) if options["number"] else poll_tracking(seconds=MAX_SECONDS)
        if options["json"]:
            self.stdout.write(json.dumps(counts.as_dict()))
            return
        self.stdout.write(", ".join(f"{name} {value}" for name, value in counts.as_dict().items()))

    def _refresh(self, numbers: list[str]) -> Counts:
        counts = Counts()
        for number in dict.fromkeys(map(tidy_number, numbers)):
            parcels = list(Shipment.objects.filter(tracking_number=number).order_by("pk"))
            counts.unknown += not parcels
            for parcel in parcels:
                outcome = refresh_now(parcel, counts=counts)
                self.stderr.write(f"{number}: {outcome.code}")
        return counts
