"""What docs/warehouses.md tells developers of warehouses is what we send."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from logistics.dispatch.instructions.pull import hand_out
from logistics.dispatch.instructions.tests.test_instructions import build_pull
from logistics.dispatch.webhooks.call import REFUSALS
from logistics.dispatch.webhooks.record import PAUSES
from logistics.dispatch.webhooks.tests.builders import build_instructed
from logistics.warehouses.save import KEYS
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers

PAGE = (Path(__file__).parents[4] / "docs" / "warehouses.md").read_text(encoding="utf-8")
SECRET = "whsec_" + "A" * 43 + "="


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_check_of_signatures_takes_ours_and_no_other() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    headers = signed_headers(secret_bytes(SECRET), b"{}", message_id="msg_1", at=timezone.now())

    assert names["is_genuine"](headers, b"{}", SECRET)
    assert not names["is_genuine"](headers, b"{ }", SECRET)
    assert not names["is_genuine"]({**headers, "webhook-timestamp": "1764381600"}, b"{}", SECRET)


@pytest.mark.django_db
def test_the_row_has_the_keys_that_are_named() -> None:
    warehouse = build_pull("hz")
    build_instructed()
    row = hand_out(warehouse, limit=1)[0].as_json()

    shown = json.loads(next(block for block in blocks("json") if '"receiver"' in block))
    assert set(shown) - set(row) == {"carrier", "insured_value"}
    assert set(row) - set(shown) == set()


def test_settings_codes_and_pauses_are_named() -> None:
    settings = json.loads(next(block for block in blocks("json") if '"push_url"' in block))

    assert set(settings) <= KEYS
    assert all(f"`{code}`" in PAGE or f'"{code}"' in PAGE for code in REFUSALS)
    assert [pause.total_seconds() for pause in PAUSES] == [5, 15, 60, 180, 600, 1800, 3600]
    assert "after 5 s, 15 s, 1 min, 3 min, 10 min, 30 min, then every hour" in PAGE
