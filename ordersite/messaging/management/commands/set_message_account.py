"""`set_message_account`: create or change a message account from a file and print its address for delivery reports."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.files.json_argument import read_json_argument
from ordersite.messaging.accounts import save_announced


class Command(BaseCommand):
    help = "Make or change a message account from a JSON file; prints the push URL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channel")
        parser.add_argument("slug")
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument(
            "--from-json", required=True, metavar="FILE", help="a file, or - for standard input"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"there is no merchant {options['merchant']}")
        data = read_json_argument(options["from_json"])
        try:
            saved = save_announced(options["slug"], channel=options["channel"], merchant=merchant, data=data)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(saved.push_url)
