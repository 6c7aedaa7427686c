"""`diagnose QUERY`: why an order is where it is, for an operator who has no browser at hand."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orders import phone_search
from ordersite.diagnosis.diagnose import Diagnosis
from ordersite.diagnosis.search import diagnose_query, find_ids
from ordersite.lib.panels import Link


class Command(BaseCommand):
    help = (
        "Says why an order is where it is, by its number, a payment's, a provider's or a parcel's number, or a phone. "
        "Exit status 1 where nothing is known under it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("query", metavar="QUERY")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, query: str, json: bool, **_options: Any) -> None:
        found = diagnose_query(query, find=_find)
        if found is None:
            raise CommandError(f"Nothing is known under {query}.")
        self.stdout.write(_as_json(found) if json else "\n".join(_lines(found)))


def _find(query: str) -> Sequence[int]:
    """A search by phone is recorded with the name of the machine's user."""
    found = find_ids(query)
    phone_search.record_command(f"diagnose ({getpass.getuser()})", query, found)
    return found


def _as_json(found: Diagnosis) -> str:
    shown: dict[str, Any] = {
        "subject": found.subject,
        "links": [_link(link) for link in found.links],
        "cause": {"code": found.code, "text": found.text},
        "actions": [{"code": one.code, "text": one.text} for one in found.actions],
    }
    if found.others:
        shown["others"] = list(found.others)
    return json.dumps(shown, ensure_ascii=False, indent=1)


def _link(link: Link) -> dict[str, Any]:
    at = timezone.localtime(link.at).isoformat(timespec="seconds") if link.at else None
    return {"name": link.name, "state": link.state, "at": at, "evidence": link.evidence}


def _lines(found: Diagnosis) -> list[str]:
    marks = {"good": "+", "waiting": "…", "broken": "!", "not_applicable": " "}
    lines = [found.subject]
    for link in found.links:
        at = f"{timezone.localtime(link.at):%Y-%m-%d %H:%M:%S}" if link.at else ""
        lines.append(f" {marks[link.state]} {link.name:<16} {at:<19} {link.evidence} {link.cause}".rstrip())
    lines += [f"{found.code}: {found.text}", found.advice, *(f"- {one.text}" for one in found.actions)]
    if found.others:
        lines.append(f"({len(found.others)}: {', '.join(found.others)})")
    return [line for line in lines if line]
