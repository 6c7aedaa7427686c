"""Ask carriers for what is due, or for given waybill numbers now as far as the account's floor allows."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from logistics.carriers.numbers import tidy_number
from logistics.models import Shipment
from logistics.tracking.poll import Counts, poll_tracking, refresh_now

PATIENCE_SECONDS = 3600.0


class Command(BaseCommand):
    help = "Ask carriers where parcels are: all that are due, or the given waybill numbers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        wish = parser.add_mutually_exclusive_group()
        wish.add_argument("--due", action="store_true", help="all parcels that are due (the default)")
        wish.add_argument("--number", nargs="+", action="extend", default=[], metavar="N")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        counts = (
            self._ask(options["number"]) if options["number"] else poll_tracking(seconds=PATIENCE_SECONDS)
        )
        if options["json"]:
            self.stdout.write(json.dumps(counts.as_dict()))
            return
        self.stdout.write(", ".join(f"{name} {value}" for name, value in counts.as_dict().items()))

    def _ask(self, numbers: list[str]) -> Counts:
        counts = Counts()
        for number in dict.fromkeys(map(tidy_number, numbers)):
            parcels = list(Shipment.objects.filter(tracking_number=number).order_by("pk"))
            counts.unknown += not parcels
            for parcel in parcels:
                outcome = refresh_now(parcel, counts=counts)
                self.stderr.write(f"{number}: {outcome.code}")
        return counts
