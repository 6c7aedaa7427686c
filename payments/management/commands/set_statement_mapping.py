"""Make or replace a statement mapping from a JSON file."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ordersite.lib.errors import DomainError
from ordersite.lib.files.json_argument import read_json_argument
from payments.reconciliation.mapping_file import save_on_server
from payments.reconciliation.readers.guess import FIELDS


class Command(BaseCommand):
    help = (
        "Makes or replaces a statement mapping: how a bank's own file is read. Keys of the file, all optional (what is"
        f" left out is guessed from each bank file): {', '.join(FIELDS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--from-json", required=True, metavar="FILE", help="a file, or - for standard input"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            mapping = save_on_server(options["name"], read_json_argument(options["from_json"]))
        except DomainError as error:
            raise CommandError(error.message) from error
        guessed = [name for name in FIELDS if not getattr(mapping, name)]
        self.stdout.write(f"{mapping.name}: saved; guessed from each file: {', '.join(guessed) or 'nothing'}")
