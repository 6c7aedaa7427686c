"""`release_login`: let a person try again who typed a wrong password too often."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ordersite.people import throttle


class Command(BaseCommand):
    help = "Forgets the failed log-ins of one name at all addresses: the person may try again at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the name as it is typed at the log-in")

    def handle(self, *_args: Any, username: str, **_options: Any) -> None:
        if not (places := throttle.release(username)):
            raise CommandError(f"There are no failed log-ins of {username}.")
        self.stdout.write(f"{username} may log in again; there were failures at {places} addresses.")
