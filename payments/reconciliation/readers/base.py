"""What every reader of a bill gives: lines with exact amounts, and what the file says of itself.

A reader is a module with `read(source, brief)`: a generator of `Line`s in bounded memory that raises `Refused` for a
file that is cut off, changed, of another account or not in its form. Totals are checked before it ends.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ordersite.lib.china_time import BEIJING
from payments.reconciliation.refusals import Refused, bad_line

PAYMENT, REFUND, OTHER = "payment", "refund", "other"
MAX_REFERENCE = 64
_AMOUNT = re.compile(r"(-?)([0-9]{1,9})(?:\.([0-9]{1,2})(0*))?", re.ASCII)
_HOUR = timedelta(hours=1)


class Line(NamedTuple):
    """One fact. `fen` is never negative; `occurred_at` is aware; `sha256` of the line's bytes as they stood there.

    `identity`: 32 hex digits, the same wherever the same fact stands.
    """

    number: int
    kind: str
    reference: str
    provider_reference: str
    refund_reference: str
    fen: int
    occurred_at: datetime | None
    sha256: str
    identity: str


@dataclass(slots=True)
class Brief:
    """What the reader is told of the account (`config` is its public part) and of the day (where a bill was fetched),
    and what it finds out about the file: its period [from, to), and whether that period's payments are all there."""

    config: Mapping[str, str] = field(default_factory=dict)
    file_name: str = ""
    day: datetime | None = None
    period_from: datetime | None = None
    period_to: datetime | None = None
    covers_payments: bool = True


def read_fen(text: str, *, line: int) -> int:
    """Signed fen of an amount in yuan, without a float on the way; further decimals must be zeros."""
    if text == "0.00":  # half of all cells
        return 0
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise bad_line(line, "amount")
    sign, whole, cents, _zeros = found.groups()
    fen = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -fen if sign else fen


def read_total(text: str) -> Decimal | None:
    """A figure of a totals line, such as `45.0` or `1,234.50`; None where it is none."""
    plain = text.strip().replace(",", "")
    return Decimal(plain) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,8})?", plain, re.ASCII) else None


def read_time(text: str, *, line: int) -> datetime:
    """Beijing wall clock `yyyy-MM-dd HH:mm:ss`, aware."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise bad_line(line, "time") from None
    if at.tzinfo or at.year < 2000:
        raise bad_line(line, "time")
    return at.replace(tzinfo=BEIJING)


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def identity(kind: str, numbers: tuple[str, str, str], fen: int, otherwise: str) -> str:
    """The fact behind a line. A trade or refund number tells two facts apart; without one `otherwise` has to."""
    reference, provider_reference, refund_reference = numbers
    own = refund_reference if kind == REFUND else provider_reference
    parts = (kind, reference, provider_reference, refund_reference, str(fen), "" if own else otherwise)
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def make_line(
    raw: bytes, number: int, kind: str, numbers: tuple[str, str, str], money: tuple[int, datetime | None]
) -> Line:
    """`numbers`: ours, theirs, the refund's; `money`: fen and when."""
    if max(map(len, numbers)) > MAX_REFERENCE:
        raise bad_line(number, "columns")
    fen, at = money
    when = at.isoformat() if at else ""
    return Line(number, kind, *numbers, fen, at, digest(raw), identity(kind, numbers, fen, when))


def check_total(what: str, said: Decimal, found: Decimal) -> None:
    if said != found:
        raise Refused("totals_differ", what=what, said=f"{said:f}", found=f"{found:f}")


def whole_days(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """The Beijing days from that of `first` to that of `last`, as [from, to) in UTC."""
    start = first.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    end = last.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0) + 24 * _HOUR
    return start.astimezone(UTC), end.astimezone(UTC)
