"""Times and money on the wire. Inside the sandbox a time is Unix seconds and money is integer fen."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
_MONEY = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)


def now() -> float:
    """Unix seconds."""
    return time.time()


def beijing(moment: float) -> str:
    """`yyyy-MM-dd HH:mm:ss` in China time without a zone, the form of Alipay and Kuaidi100."""
    return datetime.fromtimestamp(moment, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def from_beijing(text: str) -> float:
    """The reverse of `beijing`; also takes the form without seconds. Raises ValueError."""
    form = "%Y-%m-%d %H:%M:%S" if text.count(":") == 2 else "%Y-%m-%d %H:%M"
    return datetime.strptime(text, form).replace(tzinfo=BEIJING).timestamp()


def rfc3339(moment: float) -> str:
    """`yyyy-MM-ddTHH:mm:ss+08:00`, the form of WeChat Pay."""
    return datetime.fromtimestamp(moment, BEIJING).isoformat(timespec="seconds")


def compact(moment: float) -> str:
    """`yyyyMMddHHmmss` in China time, the form of UnionPay."""
    return datetime.fromtimestamp(moment, BEIJING).strftime("%Y%m%d%H%M%S")


def from_compact(text: str) -> float:
    """The reverse of `compact`. Raises ValueError."""
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()


def iso(moment: float) -> str:
    """ISO 8601 in UTC with milliseconds and a zone."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def from_iso(text: str) -> float:
    """Raises ValueError when the text is no ISO 8601 time or carries no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.timestamp()


def yuan(fen: int) -> str:
    """Two decimals, no separators."""
    return f"{fen // 100}.{fen % 100:02d}"


def fen(text: object) -> int:
    """Read yuan as text, at most nine digits and two decimals. Raises ValueError."""
    match = _MONEY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"not an amount in yuan: {text!r}")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
