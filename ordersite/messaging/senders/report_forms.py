"""What the forms of several vendors' delivery reports share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ordersite.lib.china_time import BEIJING, read_beijing
from ordersite.lib.strict_json import loads
from ordersite.messaging.senders.types import ReportReply

MOST_REPORTS = 500
MAX_CODE = 100


def json_reply(status: int, content: Mapping[str, Any]) -> ReportReply:
    """An answer in JSON."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return ReportReply(status, "application/json; charset=utf-8", body)


def rows_of(body: bytes) -> list[Mapping[str, Any]] | None:
    """The objects of a JSON array; None where the body is none, or holds more than any vendor sends."""
    try:
        listed = loads(body)
    except ValueError:
        return None
    if not isinstance(listed, list) or len(listed) > MOST_REPORTS:
        return None
    return listed if all(isinstance(row, dict) for row in listed) else None


def time_of(text: str, *, otherwise: datetime) -> datetime:
    """A time of Beijing in UTC; `otherwise` for any other text, and for one that lies after it."""
    at = read_beijing(text)
    return otherwise if at is None or at > otherwise else at


def until_midnight(now: datetime | None = None) -> float:
    """Seconds until the day of China is over; the vendors count messages by it."""
    here = (now or datetime.now(UTC)).astimezone(BEIJING)
    return 86400 - (here.hour * 3600 + here.minute * 60 + here.second)
