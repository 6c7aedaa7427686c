"""Import a payment account's bill file, match its lines, and settle them with --settle."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from orders.approvals import server_changes
from ordersite.lib.errors import DomainError
from ordersite.queue.claims import Claim
from payments.models import PaymentAccount, Statement, StatementLine, StatementMapping, StatementStatus
from payments.reconciliation import importing, settle
from payments.reconciliation.refusals import message_of

_LOOK_EVERY = 0.5
Result = StatementLine.Result

MAY_SETTLE = "payments.settle_statement"


class Command(BaseCommand):
    help = "Imports a statement file (Alipay, WeChat Pay, UnionPay, or a bank's own with --mapping)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--account", required=True, metavar="SLUG", help="the payment account that it is of"
        )
        parser.add_argument(
            "--mapping", metavar="NAME", help="the saved mapping that reads a bank's own file"
        )
        parser.add_argument(
            "--settle", action="store_true", help="settle the orders that are paid there and not here"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        taken = self._take_in(options)
        statement = taken.statement
        if taken.is_new and not statement.done_at:
            importing.run(Claim(statement.pk, statement.attempts), report=self._report)
        statement = self._finished(statement)
        if statement.status == StatementStatus.REFUSED:
            raise CommandError(message_of(statement.refusal))
        if not taken.is_new:
            self.stderr.write(f"imported before as statement {statement.pk}; the file changes nothing")
        settled = self._settle(statement) if options["settle"] else 0
        self._print(_summary(statement, taken.is_new, settled), as_json=options["json"])

    def _settle(self, statement: Statement) -> int:
        """Settle at once: the person has the server's shell. The audit says so, and those who may settle get mail."""
        settled = settle.settle(statement, report=self._report_settled)
        if settled:
            row = server_changes.Changed(Statement._meta.db_table, statement.pk, str(statement))
            with transaction.atomic():
                server_changes.note(row, before={}, after={"settled": str(settled)}, permission=MAY_SETTLE)
        return settled

    def _take_in(self, options: dict[str, Any]) -> importing.Taken:
        account = PaymentAccount.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no payment account {options['account']}.")
        mapping = StatementMapping.objects.filter(name=options["mapping"]).first()
        if options["mapping"] and mapping is None:
            raise CommandError(f"There is no mapping {options['mapping']}.")
        origin = importing.Origin(
            source=Statement.Source.COMMAND, file_name=options["file"].name, mapping=mapping
        )
        try:
            with options["file"].open("rb") as stream:
                return importing.take_in(account, stream, origin)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        except DomainError as error:
            raise CommandError(error.message) from error

    def _finished(self, statement: Statement) -> Statement:
        """Wait until the statement is done (another worker may be reading it) and return it."""
        while True:
            now = Statement.objects.get(pk=statement.pk)
            if now.done_at:
                return now
            if now.last_error and now.leased_until is None:
                raise CommandError(f"{now.last_error}; it is tried again by the worker.")
            self._report(now)
            time.sleep(_LOOK_EVERY)

    def _report(self, statement: Statement) -> None:
        self.stderr.write(f"\r{statement.progress:3} %  {statement.lines_read:,} lines", ending="")
        if statement.done_at:
            self.stderr.write("")

    def _report_settled(self, done: int) -> None:
        self.stderr.write(f"\rsettled {done:,}", ending="")

    def _print(self, summary: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(summary))
            return
        results = ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in summary["results"].items())
        self.stdout.write(f"lines: {summary['lines']}, {results}, settled: {summary['settled']}")


def _summary(statement: Statement, is_new: bool, settled: int) -> dict[str, Any]:
    """Return the JSON summary. Every line of a file that was imported before is a duplicate."""
    lines = statement.lines_read
    results = {name: getattr(statement, name) for name in Result.values}
    if not is_new:
        results = {name: lines if name == Result.DUPLICATE else 0 for name in Result.values}
    return {"lines": lines, "results": results, "settled": settled}
