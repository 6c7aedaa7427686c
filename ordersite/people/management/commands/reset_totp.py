"""`reset_totp`: take the authenticator app from a person who lost the phone and the recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ordersite.people import second_step
from ordersite.queue.audit import command_actor


class Command(BaseCommand):
    help = (
        "Takes the two-step log-in (authenticator app and recovery codes) from one person and logs them out everywhere; "
        "where it is required they set it up anew at the next log-in. Make sure first who asks for it. "
        "It is written into the audit, and the person gets a mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the person's user name")

    def handle(self, *_args: Any, username: str, **_options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is nobody with the user name {username}.")
        if not second_step.take_away(user, actor=command_actor()):
            raise CommandError(f"{username} has no two-step log-in.")
        self.stdout.write(f"{username} has no two-step log-in any more and is logged out everywhere.")
