"""What replaying stored calls has in common: counts, making a row due again, and the arguments of its commands.

Each inbox replays through its own function, which checks a rejected call again; nothing is applied here.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


@dataclass(slots=True)
class Replayed:
    """Counts of one replay. `verified` is part of `replayed`; `duplicates` were stored again as verified meanwhile.

    `gone`: what a replay needs of the raw call is deleted or cannot be opened.
    """

    replayed: int = 0
    verified: int = 0
    still_rejected: int = 0
    duplicates: int = 0
    unknown: int = 0
    gone: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name; `gone` only where there are any."""
        return {name: number for name, number in asdict(self).items() if number or name != "gone"}

    def refusal(self) -> DomainError | None:
        """Why the replay of one call changed nothing; None where it did."""
        return next(
            (DomainError(code, words) for code, words in _REFUSALS.items() if getattr(self, code)), None
        )


_REFUSALS: Mapping[str, Promise] = {
    "gone": _(
        "The raw call is deleted or cannot be opened; it cannot be checked again. Nothing was changed."
    ),
    "still_rejected": _("The signature is still bad with today's keys; nothing was changed."),
    "duplicates": _("The genuine call is here already; nothing was changed."),
}


def due_again() -> dict[str, Any]:
    """The columns of a row that is to be applied again."""
    return {
        "due_at": timezone.now(),
        "done_at": None,
        "leased_until": None,
        "attempts": 0,
        "outcome": "",
        "last_error": "",
    }


def _time(text: str) -> datetime:
    """Parse ISO 8601; a time without a zone is in the shop's zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else timezone.make_aware(at)


class ReplayCommand(BaseCommand):
    """A command that replays these ids, or what failed since a time; `name` is logged as the actor."""

    name: ClassVar[str]

    def replay(self, ids: Sequence[int]) -> Replayed:
        """Replay these calls."""
        raise NotImplementedError

    def failed_since(self, since: datetime) -> Sequence[int]:
        """Ids of calls received since this time whose outcome a replay may change."""
        raise NotImplementedError

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
        done = self.replay(ids or self.failed_since(since))
        self.stdout.write(", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in done.as_dict().items()))
        if done.gone:
            self.stderr.write(f"gone: of {done.gone} of these the raw calls are deleted or cannot be opened.")
        if done.unknown:
            raise CommandError(f"{done.unknown} of these ids are not there.")
