"""`verify_history`: prove that nothing in the history is missing or altered."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.history.verify import Broken, verify_history


class Command(BaseCommand):
    help = "Checks every history line, chain, seal and anchor. Exit status 1 and the first broken place if one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after-line",
            type=int,
            default=0,
            metavar="ID",
            help="continue a run that ended early behind this line",
        )
        parser.add_argument("--progress", action="store_true", help="print the id of the last verified line")

    def handle(self, *_args: Any, after_line: int, progress: bool, **_options: Any) -> None:
        def report_line(line_id: int) -> None:
            if progress:
                self.stderr.write(f"verified up to line {line_id}")

        try:
            report = verify_history(after_line=after_line, report=report_line)
        except Broken as broken:
            raise CommandError(f"The history is not whole: {broken}") from broken
        self.stdout.write(
            f"The history is whole: {report.lines} lines, {report.seals} seals, {report.unsealed} lines not sealed yet."
        )
