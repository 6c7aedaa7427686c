"""Make or change a payment account from a JSON file and print its notify URL."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.files.json_argument import read_json_argument
from payments.accounts.keys import notify_url
from payments.accounts.on_server import save_on_server


class Command(BaseCommand):
    help = "Makes or changes a payment account and prints its notify URL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("provider")
        parser.add_argument("slug")
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument(
            "--from-json", required=True, metavar="FILE", help="a file, or - for standard input"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            merchant = Merchant.objects.get(slug=options["merchant"])
            values = read_json_argument(options["from_json"])
            account = save_on_server(
                options["slug"], provider=options["provider"], merchant=merchant, values=values
            )
        except Merchant.DoesNotExist as error:
            raise CommandError(f"There is no merchant {options['merchant']}.") from error
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(notify_url(account))
