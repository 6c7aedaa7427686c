"""The common output of all bill readers: lines with exact amounts, and the file's period.

A reader is a module with `read(source, brief)`: a generator of `BillLine`s in bounded memory that raises `Refused` for a
file that is cut off, changed, of another account or not in its form. Totals are checked before it ends.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from ordersite.lib.china_time import BEIJING
from payments.reconciliation.readers.numbers import MAX_REFERENCE, is_rounded
from payments.reconciliation.refusals import Refused, bad_cell

PAYMENT, REFUND, OTHER = "payment", "refund", "other"
# Why a line is not settled by itself; see `StatementLine.Note`.
CURRENCY, IN_TEXT, LEFT_OUT = "currency", "in_text", "left_out"
_AMOUNT = re.compile(r"(-?)([0-9]{1,9})(?:\.([0-9]{1,2})(0*))?", re.ASCII)
_HOUR = timedelta(hours=1)


class BillLine(NamedTuple):
    """One payment or refund in a bill. `fen` is never negative, `occurred_at` is aware, `sha256` is of the raw line.

    `identity`: 32 hex digits, equal for the same payment or refund in any file. `note`: why it is not settled by itself.
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
    note: str = ""


@dataclass(slots=True)
class Brief:
    """Input and output of a reader.

    Input: the account's public `config`, the file's name, the `day` of a fetched bill. Output: the period [from, to) and
    whether the file holds all payments of it.
    """

    config: Mapping[str, str] = field(default_factory=dict)
    file_name: str = ""
    day: datetime | None = None
    period_from: datetime | None = None
    period_to: datetime | None = None
    covers_payments: bool = True


def read_fen(text: str, *, line: int, column: str = "") -> int:
    """Parse yuan to signed fen, without floats. More than two decimals must be zeros. Raises `Refused`."""
    if text == "0.00":  # half of all cells
        return 0
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise bad_cell(line, "rounded" if is_rounded(text) else "amount", column, text)
    sign, whole, cents, _zeros = found.groups()
    fen = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -fen if sign else fen


def read_number(text: str, *, line: int, column: str) -> str:
    """Return a number of an order, a trade or a refund as it stands. Raises `Refused` for a rounded or overlong one."""
    if len(text) > MAX_REFERENCE:
        raise bad_cell(line, "too_long", column, text)
    # Cheap signs first: hardly a line has one.
    if ("." in text or "+" in text or text.endswith("000000000")) and is_rounded(text):
        raise bad_cell(line, "number_as_id", column, text)
    return text


def read_total(text: str) -> Decimal | None:
    """Parse a number of a totals line, such as `45.0` or `1,234.50`; return None for anything else."""
    plain = text.strip().replace(",", "")
    return Decimal(plain) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,8})?", plain, re.ASCII) else None


def read_time(text: str, *, line: int, column: str = "") -> datetime:
    """Parse `yyyy-MM-dd HH:mm:ss` in Beijing time; return it aware. Raises `Refused`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise bad_cell(line, "time", column, text) from None
    if at.tzinfo or at.year < 2000:
        raise bad_cell(line, "time", column, text)
    return at.replace(tzinfo=BEIJING)


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def identity(kind: str, numbers: tuple[str, str, str], fen: int, otherwise: str) -> str:
    """Return a digest that identifies the payment or refund; `otherwise` is used when it has no number of its own."""
    reference, provider_reference, refund_reference = numbers
    own = refund_reference if kind == REFUND else provider_reference
    parts = (kind, reference, provider_reference, refund_reference, str(fen), "" if own else otherwise)
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def make_line(
    raw: bytes, number: int, kind: str, numbers: tuple[str, str, str], money: tuple[int, datetime | None]
) -> BillLine:
    """Build a line. `numbers`: our reference, the provider's, the refund's; `money`: fen and the time."""
    fen, at = money
    when = at.isoformat() if at else ""
    return BillLine(number, kind, *numbers, fen, at, digest(raw), identity(kind, numbers, fen, when))


def check_total(what: str, said: Decimal, found: Decimal) -> None:
    if said != found:
        raise Refused("totals_differ", what=what, said=f"{said:f}", found=f"{found:f}")


def whole_days(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """Return the Beijing days from `first` to `last` as [from, to) in UTC."""
    start = first.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    end = last.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    # The last day that there is has no day after it.
    end += 24 * _HOUR if end.year < MAXYEAR else timedelta()
    return start.astimezone(UTC), end.astimezone(UTC)
