"""`check_setup`: the page of checks as lines; exit status 1 when one is red."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ordersite.installation import checks
from ordersite.installation.checks import Result
from ordersite.installation.result import State

_MARKS = {State.GOOD: "✓", State.WARN: "!", State.BAD: "✗"}


class Command(BaseCommand):
    help = "Checks the installation: keys, addresses, database, servers, processes, files, people. Exit 1 when one is red."
    requires_system_checks = ()  # what they would stop at is a row here

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="a row per check: name, state, text")
        parser.add_argument(
            "--language", choices=list(dict(settings.LANGUAGES)), default=settings.LANGUAGE_CODE
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        with translation.override(options["language"]):
            results = list(checks.run_all())
            if options["json"]:
                rows = [{"name": one.check.name, "state": one.state, "text": one.text} for one in results]
                self.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1))
            else:
                self._write(results)
        if any(one.state is State.BAD for one in results):
            sys.exit(1)

    def _write(self, results: list[Result]) -> None:
        for one in results:
            self.stdout.write(f"{_MARKS[one.state]} {one.check.title}: {one.text}", self._style(one.state))
        red, amber = (sum(one.state is state for one in results) for state in (State.BAD, State.WARN))
        if red:
            text = ngettext("%(count)s check is red.", "%(count)s checks are red.", red)
            self.stdout.write(text % {"count": red}, self.style.ERROR)
        elif amber:
            self.stdout.write(
                _("Nothing is red; %(count)s to look at.") % {"count": amber}, self.style.WARNING
            )
        else:
            self.stdout.write(_("All green."), self.style.SUCCESS)

    def _style(self, state: State) -> Any:
        return {State.GOOD: str, State.WARN: self.style.WARNING, State.BAD: self.style.ERROR}[state]
