"""`setup`: the first rows of a new installation, asked for one by one or from a file. Again: shows what is there."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from django.utils.translation import gettext as _

from ordersite.installation import plan
from ordersite.installation.apply import Step, apply
from ordersite.installation.guide import Guide, ask_secret_at
from ordersite.lib.errors import DomainError

LANGUAGES = {"1": "zh-hans", "2": "en"}


class Command(BaseCommand):
    help = (
        "Makes the first merchant, warehouse, accounts, people, limits and programs of a new installation: asks for them,"
        " or reads them from a file. What is there already stays as it is and is shown."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from-json", metavar="FILE", help="ask nothing: read a plan, or - for standard input"
        )
        parser.add_argument("--example", action="store_true", help="print a plan to begin with, and end")
        parser.add_argument("--language", choices=list(dict(settings.LANGUAGES)), help="of the questions")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["example"]:
            self.stdout.write(plan.EXAMPLE, ending="")
            return
        language = options["language"] or settings.LANGUAGE_CODE
        try:
            if not options["language"]:
                language = settings.LANGUAGE_CODE if options["from_json"] else self._choose_language()
            with translation.override(language):
                self._show(self._unattended(options["from_json"]) if options["from_json"] else self._guided())
        except plan.BadPlan as bad:
            raise CommandError("\n".join(bad.problems)) from bad
        except DomainError as error:
            raise CommandError(error.message) from error
        except (EOFError, KeyboardInterrupt) as stopped:
            with translation.override(language):
                message = _("Stopped. What was made stays; `manage.py setup` goes on from there.")
            raise CommandError(message) from stopped

    def _choose_language(self) -> str:
        usual = next(number for number, code in LANGUAGES.items() if code == settings.LANGUAGE_CODE)
        typed = input(f"1 简体中文  2 English [{usual}]: ").strip() or usual
        return LANGUAGES.get(typed, settings.LANGUAGE_CODE)

    def _unattended(self, name: str) -> Iterable[Step]:
        path = Path("/dev/stdin" if name == "-" else name)
        try:
            values = plan.read_account_file(path)
        except ValueError as error:
            raise CommandError(str(error)) from error
        folder = Path.cwd() if name == "-" else path.parent
        return apply(plan.read_plan(values, folder=folder))

    def _guided(self) -> Iterable[Step]:
        ask_secret = ask_secret_at(sys.stdin.isatty(), input)
        return Guide(input, ask_secret, self.stdout.write).run()

    def _show(self, steps: Iterable[Step]) -> None:
        made = False
        for step in steps:
            made |= step.is_new
            once = " " + _("(shown only now)") if step.is_secret and step.shown else ""
            tail = f"{once}: {step.shown}" if step.shown else ""
            self.stdout.write(f"{'+' if step.is_new else '='} {step.kind} {step.name} {step.state}{tail}")
        if not made:
            self.stdout.write(_("Nothing was missing."))
        self.stdout.write(
            _("Now look at the checks: `manage.py check_setup`, or their page in the back office.")
        )
