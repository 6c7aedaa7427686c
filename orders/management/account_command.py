"""The base of commands that create or change an account at an outside company from a file."""

from __future__ import annotations

from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.files.json_argument import read_json_argument


class AccountCommand(BaseCommand):
    """Take the company, the account's slug, its merchant and its file; print the address that the company calls.

    `company` names the first argument.
    """

    company: ClassVar[str]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(self.company)
        parser.add_argument("slug")
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument(
            "--from-json", required=True, metavar="FILE", help="a file, or - for standard input"
        )

    @abstractmethod
    def save(self, slug: str, *, company: str, merchant: Merchant, data: Mapping[str, Any]) -> str:
        """Save the account and return its address. Raises `DomainError`."""

    def handle(self, *_args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"There is no merchant {options['merchant']}.")
        data = read_json_argument(options["from_json"])
        try:
            address = self.save(options["slug"], company=options[self.company], merchant=merchant, data=data)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(address)
