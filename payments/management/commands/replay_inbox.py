"""Replay stored payment notifications."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments.notifications.replay import failed_since, replay


def _time(text: str) -> datetime:
    """Parse ISO 8601; a time without a zone is in the shop's zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else timezone.make_aware(at)


class Command(BaseCommand):
    help = "Replays stored payment notifications: these ids, or what failed since a time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--id", type=int, nargs="+", metavar="N", action="extend", default=[])
        parser.add_argument("--state", choices=["failed"])
        parser.add_argument(
            "--since", type=_time, metavar="TIME", help="ISO 8601, in the shop's zone if it has none"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        ids, state, since = options["id"], options["state"], options["since"]
        if bool(ids) == bool(state) or bool(state) != bool(since):
            raise CommandError("Give either --id N… or --state failed --since TIME.")
        done = replay(ids or failed_since(since), actor="replay_inbox")
        self.stdout.write(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in done.as_dict().items()))
        if done.gone:
            self.stderr.write(
                f"gone: {done.gone} of these were rejected, and their raw calls are deleted or cannot be opened."
            )
        if done.unknown:
            raise CommandError(f"{done.unknown} of these ids are not there.")
