"""`rotate_api_client`: give an API client a new token and print it once, as the last word of the output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from orders import clients, tokens
from orders.approvals import server_changes
from orders.models import ApiClient


class Command(BaseCommand):
    help = "Give an API client a new token, printed once as the last word; the old one works beside it for a time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "hint", metavar="BEGINNING", help="how the token begins, as the list of clients shows it"
        )
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument(
            "--days", type=int, metavar="N", help="the new token expires in N days (default: never)"
        )
        parser.add_argument(
            "--old-days",
            type=int,
            default=tokens.OLD_TOKEN_DAYS,
            metavar="N",
            help=f"how long the old token still works (default: {tokens.OLD_TOKEN_DAYS})",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        days, old_days = options["days"], options["old_days"]
        if (days is not None and days < 1) or old_days < 0:
            raise CommandError("--days is at least 1, --old-days at least 0")
        found = list(
            ApiClient.objects.filter(
                merchant__slug=options["merchant"], token_hint=options["hint"], is_active=True
            )[:2]
        )
        if len(found) != 1:
            raise CommandError(f"{'several tokens begin' if found else 'no active token begins'} with this")
        client = found[0]
        with transaction.atomic():
            before = clients.described(client)
            token = tokens.rotate(client, old_days=old_days, days=days)
            client.refresh_from_db()
            row = server_changes.Changed(ApiClient._meta.db_table, client.pk, str(client))
            server_changes.note(row, before=before, after=clients.described(client))
        until = f"{client.old_token_until:%Y-%m-%d %H:%M %Z}"
        self.stdout.write(
            f"{client}: the old token works until {until}; the new one, shown only now: {token}"
        )
