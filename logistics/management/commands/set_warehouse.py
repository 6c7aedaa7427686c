"""`set_warehouse`: create or change a warehouse from a file."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from logistics.warehouses.save import save_announced
from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.files.json_argument import read_json_argument


class Command(BaseCommand):
    help = "Make or change a warehouse from a JSON file; prints its slug, or a secret that was made for it, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument(
            "--from-json", required=True, metavar="FILE", help="a file, or - for standard input"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"there is no merchant {options['merchant']}")
        try:
            saved = save_announced(
                options["slug"], merchant=merchant, data=read_json_argument(options["from_json"])
            )
        except DomainError as error:
            raise CommandError(error.message) from error
        if saved.new_secret:
            self.stdout.write(f"{saved.warehouse.slug}: secret of its pushes: {saved.new_secret}")
        else:
            self.stdout.write(saved.warehouse.slug)
