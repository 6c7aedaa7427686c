"""`add_api_client`: create an API client and print its token once, as the last word of the output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from orders import clients
from orders.approvals import server_changes
from orders.models import ApiClient, Merchant


class Command(BaseCommand):
    help = "Make an API client of a merchant and print its bearer token, once, as the last word."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument("--scope", required=True, action="append", nargs="+", choices=clients.SCOPES)
        parser.add_argument(
            "--days", type=int, metavar="N", help="the token expires in N days (default: never)"
        )
        parser.add_argument("--name", default="API", help="what the program is called in lists")

    def handle(self, *_args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"there is no merchant {options['merchant']}")
        days = options["days"]
        if days is not None and days < 1:
            raise CommandError("--days is at least 1")
        scopes = [scope for group in options["scope"] for scope in group]
        with transaction.atomic():
            client, token = clients.add_client(merchant, name=options["name"], scopes=scopes, days=days)
            row = server_changes.Changed(ApiClient._meta.db_table, client.pk, str(client))
            server_changes.note(row, before={}, after=clients.described(client))
        self.stdout.write(f"{client} ({' '.join(client.scopes)}), shown only now: {token}")
