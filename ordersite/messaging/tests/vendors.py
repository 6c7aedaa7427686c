"""The shop's accounts at the vendors of the sandbox, their faults, and what their readers got."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management import call_command

from orders.models import Order
from orders.tests.builders import build_merchant
from sandbox.tests.running import Running


def add_account(box: Running, folder: Path, channel: str, *, templates: Mapping[str, str] = {}) -> str:
    """Save the sandbox's account by the command, with these templates too; returns what it prints."""
    file, out = folder / f"{channel}.json", io.StringIO()
    account = box.account(channel)
    if templates:
        account = {**account, "templates": {**account["templates"], **templates}}
    file.write_text(json.dumps(account))
    build_merchant()
    call_command(
        "set_message_account", channel, f"demo-{channel}", "--merchant", "demo", "--from-json", str(file),
        stdout=out,
    )  # fmt: skip
    return out.getvalue().strip()


def add_template(box: Running, channel: str, template: str, text: str) -> None:
    """The vendor has approved a template."""
    answer = box.control("message_template", channel=channel, template=template, text=text)
    assert answer.status == 201, answer.text


def fault(box: Running, target: str, name: str, **more: Any) -> None:
    """A vendor fails as named, once unless `times` says otherwise."""
    assert box.control("faults", target=target, fault=name, **more).status == 201


def inbox_of(box: Running, order: Order) -> list[Any]:
    """What was said about an order, newest first."""
    number = order.number
    return [one for one in box.inbox() if number in one["text"] or number in json.dumps(one["params"])]
