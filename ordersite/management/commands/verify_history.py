"""`verify_history`: prove that nothing in the history is missing or altered."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.history.verify import Broken, verify_history


class Command(BaseCommand):
    help = "Checks every history line, chain, seal and anchor. Exit status 1 and the first broken place if one is broken."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            report = verify_history()
        except Broken as broken:
            raise CommandError(f"The history is not whole: {broken}") from broken
        self.stdout.write(
            f"The history is whole: {report.lines} lines, {report.seals} seals, {report.unsealed} lines not sealed yet."
        )
