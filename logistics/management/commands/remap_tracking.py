"""`remap_tracking`: map the stored events of a carrier anew, after its table of codes has changed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from logistics.carriers.registry import CARRIERS
from logistics.dispatch.remap import go_on, start_run

MAX_SECONDS = 24 * 3600.0


class Command(BaseCommand):
    help = "Map a carrier's stored events anew. Run it after an upgrade that changed its table of codes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("carrier", choices=sorted(CARRIERS))
        parser.add_argument("--seconds", type=float, default=MAX_SECONDS, help="stop after so long")

    def handle(self, *_args: Any, **options: Any) -> None:
        run = go_on(start_run(options["carrier"], by="remap_tracking"), seconds=options["seconds"])
        self.stdout.write(f"events {run.events}, parcels {run.parcels}")
        if run.finished_at is None:
            raise CommandError("not at the end yet: run it again")
