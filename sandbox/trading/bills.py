"""The content of a provider's daily bill: its trades and refunds, and differences added on demand.

`python -m sandbox.trading.bills alipay --lines 1000000 --day 2026-11-21 FILE` writes a large bill of made-up trades.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

from sandbox.config import Settings
from sandbox.formats import beijing, from_beijing, now
from sandbox.store import Store
from sandbox.trading import bill_files
from sandbox.trading.bill_files import Line

KINDS = ("missing", "extra", "amount", "duplicate", "zero")
_DAY = 86400
_TRADES = """
    SELECT 'payment' AS kind, t.*, t.paid_at AS at, t.fen AS line_fen, '' AS refund_reference,
        '' AS refund_number
    FROM trades t WHERE t.provider = ?1 AND t.paid_at >= ?2 AND t.paid_at < ?3
    UNION ALL
    SELECT 'refund', t.*, r.at, r.fen, r.reference, r.provider_reference
    FROM refunds r JOIN trades t ON t.id = r.trade_id
    WHERE t.provider = ?1 AND r.state <> 'closed' AND r.at >= ?2 AND r.at < ?3
    ORDER BY at
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the bill of a day and the trades. `fen` is the amount shown by kinds amount and extra."""

    provider: str
    day: str
    kind: str
    reference: str
    fen: int


def lines_of(store: Store, *, provider: str, day: str, merchant: str = "") -> list[Line]:
    """The lines of a day (`yyyy-MM-dd`, China time), differences included. Raises ValueError for no date."""
    begin = begin_of(day, provider=provider)
    rows = store.rows(_TRADES, provider, begin, begin + _DAY)
    lines = [
        Line(
            kind=row["kind"],
            reference=row["reference"],
            provider_reference=row["provider_reference"],
            fen=row["line_fen"],
            order_fen=row["fen"],
            created_at=row["created_at"],
            at=row["at"],
            subject=row["subject"],
            refund_reference=row["refund_reference"],
            refund_number=row["refund_number"],
        )
        for row in rows
        if merchant in ("", row["merchant"])
    ]
    return distort(lines, differences(store, provider=provider, day=day))


def begin_of(day: str, *, provider: str) -> float:
    """Unix seconds: midnight in China; UnionPay's day of clearing begins at 23:00 of the day before."""
    return from_beijing(f"{day} 00:00:00") - (3600 if provider == "unionpay" else 0)


def distort(lines: Iterable[Line], wrong: Iterable[Difference]) -> list[Line]:
    """The lines with the differences applied in order."""
    result = list(lines)
    for one in wrong:
        if one.kind == "extra":
            result.append(_stranger(one))
            continue
        result = [changed for line in result for changed in _changed(line, one)]
    return result


def _changed(line: Line, wrong: Difference) -> list[Line]:
    if line.reference != wrong.reference:
        return [line]
    if wrong.kind == "missing":
        return []
    if wrong.kind == "duplicate":
        return [line, line]
    return [replace(line, fen=0 if wrong.kind == "zero" else wrong.fen)]


def _stranger(wrong: Difference) -> Line:
    """A payment without an order on either side."""
    moment = from_beijing(f"{wrong.day} 12:00:00")
    number = f"{wrong.day.replace('-', '')}229{crc32(wrong.reference.encode()):010d}"
    return Line("payment", wrong.reference, number, wrong.fen, wrong.fen, moment, moment, "不明订单")


def differences(store: Store, *, provider: str, day: str) -> list[Difference]:
    """The differences in the order in which they were added."""
    sql = "SELECT * FROM bill_differences WHERE provider = ? AND day = ? ORDER BY id"
    names = ("provider", "day", "kind", "reference", "fen")
    return [Difference(**{name: row[name] for name in names}) for row in store.rows(sql, provider, day)]


def add_difference(store: Store, wrong: Difference) -> None:
    """Keep it until all are cleared. Raises ValueError for a kind or a day that does not exist."""
    if wrong.kind not in KINDS or wrong.provider not in bill_files.PROVIDERS:
        raise ValueError("unknown kind of difference, or provider without bills")
    from_beijing(f"{wrong.day} 00:00:00")
    store.rows(
        "INSERT INTO bill_differences (provider, day, kind, reference, fen, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        wrong.provider, wrong.day, wrong.kind, wrong.reference, wrong.fen, now(),
    )  # fmt: skip


def is_out(store: Store, day: str, *, provider: str) -> bool:
    """Whether the bill of that day can be fetched: from ten o'clock of the next day, or from its first moment when
    so tuned (which at UnionPay is an hour before midnight)."""
    if store.tuned("bill_today", 0):
        return begin_of(day, provider=provider) <= now()
    return now() >= from_beijing(f"{day} 00:00:00") + _DAY + 10 * 3600


def made_up(count: int, *, day: str, provider: str = "alipay", refund_every: int = 50) -> Iterator[Line]:
    """Payments spread over the day, every so many of them refunded in part; the same ones at each call.

    No number ends in nine zeros, as after a spreadsheet has rounded it: readers refuse that.
    """
    begin = begin_of(day, provider=provider)
    number = day.replace("-", "")
    for position in range(count):
        moment = begin + position * (_DAY - 1) / max(1, count)
        amount = 100 + position * 7919 % 99_900
        line = Line(
            "payment", f"BULK{position:020d}", f"{number}{position + 1:013d}", amount, amount, moment, moment,
            f"保温杯, 第 {position} 件",
        )  # fmt: skip
        if refund_every and position % refund_every == refund_every - 1:
            refund = f"BULKR{position - 1:019d}"
            line = replace(
                line, kind="refund", reference=f"BULK{position - 1:020d}", fen=1, refund_reference=refund,
                provider_reference=f"{number}{position:013d}", refund_number=f"50{position:019d}",
            )  # fmt: skip
        yield line


def write_made_up(provider: str, *, count: int, day: str, target: Path) -> None:
    """A bill of `count` made-up lines in the provider's true form, streamed: the memory stays bounded."""
    merchant = bill_files.merchant_of(provider, Settings())
    with target.open("wb") as file:
        bill_files.write(
            provider, made_up(count, day=day, provider=provider), day=day, merchant=merchant, target=file
        )


def main(arguments: list[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.trading.bills")
    parser.add_argument("provider", choices=bill_files.PROVIDERS)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--day", default=beijing(now() - _DAY)[:10])
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    write_made_up(options.provider, count=options.lines, day=options.day, target=options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
