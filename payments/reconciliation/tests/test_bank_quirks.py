"""Whatever mixture of quirks a bank dresses its table in, the same lines come out of it, or a person is shown why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from payments.models import StatementMapping
from payments.reconciliation.readers.base import BillLine, Brief
from payments.reconciliation.readers.containers import opened
from payments.reconciliation.readers.registry import lines_of
from payments.reconciliation.refusals import Refused
from payments.reconciliation.tests import workbooks

# Encoding and delimiter; the last two are workbooks.
FORMS = [(one, mark) for one in ("utf-8", "utf-8-sig", "gb18030", "utf-16") for mark in ",;\t|"] + [
    ("xlsx", ""),
    ("xls", ""),
]
TIMES = (
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%Y年%m月%d日 %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
)
_WIDE = str.maketrans("0123456789.", "".join(chr(ord(one) + 0xFEE0) for one in "0123456789."))
FIGURES: Sequence[Callable[[str], str]] = (
    lambda figure: figure,
    lambda figure: f"{figure}元",
    lambda figure: f"CNY {figure}",
    lambda figure: f"¥{figure}",
    lambda figure: figure.translate(_WIDE),
)
MINUS: Sequence[Callable[[str], str]] = (
    lambda figure: f"-{figure}",
    lambda figure: f"{figure}-",
    lambda figure: f"({figure})",
    lambda figure: f"（{figure}）",
    lambda figure: f"−{figure}",
)
PADS: Sequence[Callable[[str], str]] = (
    lambda cell: cell,
    lambda cell: f"{cell}\t",
    lambda cell: f"  {cell}\u3000",
    lambda cell: f"'{cell}" if cell else "",
)
ABOVE = ("云帆银行账户明细", "账号：6222020200000000001", "起始日期：20261101", "", "币种：人民币 单位：元")
BELOW = ("合计", "本页小计", "以上明细仅供参考", "打印时间：2026-11-29 10:00:00")


@dataclass(frozen=True)
class Fact:
    """A line as the bank means it: fen, and which way they went."""

    number: int
    fen: int
    at: datetime
    is_out: bool
    is_ours: bool

    @property
    def reference(self) -> str:
        return f"REFERENCE{self.number:015d}" if self.is_ours else ""

    @property
    def serial(self) -> str:
        return f"SN{self.number:010d}"


facts = st.builds(
    Fact,
    number=st.integers(1, 10**6),
    fen=st.integers(1, 10**9),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(microsecond=0)),  # noqa: DTZ001
    is_out=st.booleans(),
    is_ours=st.booleans(),
)


@dataclass(frozen=True)
class Dress:
    """How a bank writes its table."""

    form: tuple[str, str]
    time: str
    figure: Callable[[str], str]
    minus: Callable[[str], str]
    pad: Callable[[str], str]
    way: str  # signed, columns, words
    order: Sequence[str]
    above: Sequence[str]
    below: Sequence[str]
    is_grouped: bool
    is_ended: bool

    def cells(self, fact: Fact) -> dict[str, str]:
        plain = f"{fact.fen // 100:,}.{fact.fen % 100:02d}" if self.is_grouped else f"{fact.fen / 100:.2f}"
        figure = self.figure(plain)
        cells = {
            "时间": fact.at.strftime(self.time),
            "订单号": fact.reference,
            "流水号": fact.serial,
            "余额": "1.00",
        }
        cells |= {
            "对方户名": "周,甲",
            "金额": figure,
            "收入": "",
            "支出": "",
            "借贷": "借" if fact.is_out else "贷",
        }
        if self.way == "signed" and fact.is_out:
            cells["金额"] = self.minus(figure)
        return cells | {"支出" if fact.is_out else "收入": figure}

    def names(self) -> list[str]:
        kept = {"signed": {"金额"}, "columns": {"收入", "支出"}, "words": {"金额", "借贷"}}[self.way]
        return [
            name for name in self.order if name in kept | {"时间", "订单号", "流水号", "余额", "对方户名"}
        ]

    def hides_a_sign(self, lines: Sequence[Fact]) -> bool:
        """Whether the file's last figure could be one whose sign, written behind it, was cut off: that is refused."""
        is_open = bool(self.form[1]) and not self.is_ended and not self.below
        is_behind = self.way == "signed" and not self.minus("1").endswith("1")
        is_mixed = not lines[-1].is_out and any(fact.is_out for fact in lines)
        return is_open and is_behind and is_mixed and self.names()[-1] == "金额"

    def rows(self, lines: Sequence[Fact]) -> list[list[str]]:
        names = self.names()
        table = [[self.pad(self.cells(fact)[name]) for name in names] for fact in lines]
        blanks = [""] * (len(names) - 1)
        return [*([text] for text in self.above), names, *table, *([text, *blanks] for text in self.below)]

    def content(self, lines: Sequence[Fact]) -> bytes:
        rows, (encoding, delimiter) = self.rows(lines), self.form
        if not delimiter:
            return getattr(workbooks, encoding)(rows)
        text = "\r\n".join(delimiter.join(_quoted(cell, delimiter) for cell in row) for row in rows)
        return (f"{text}\r\n" if self.is_ended else text).encode(encoding)


def _quoted(cell: str, delimiter: str) -> str:
    return f'"{cell}"' if delimiter in cell else cell


NAMES = ("时间", "金额", "收入", "支出", "借贷", "订单号", "流水号", "余额", "对方户名")
dresses = st.builds(
    Dress,
    form=st.sampled_from(FORMS),
    time=st.sampled_from(TIMES),
    figure=st.sampled_from(FIGURES),
    minus=st.sampled_from(MINUS),
    pad=st.sampled_from(PADS),
    way=st.sampled_from(["signed", "columns", "words"]),
    order=st.permutations(NAMES),
    above=st.lists(st.sampled_from(ABOVE), max_size=4),
    below=st.lists(st.sampled_from(BELOW), max_size=2),
    is_grouped=st.booleans(),
    is_ended=st.booleans(),
)


def read(content: bytes, folder: Path, said: Mapping[str, str]) -> list[BillLine]:
    path = folder / "file"
    path.write_bytes(content)
    with path.open("rb") as raw, opened(raw, path.name) as source:
        return list(lines_of(source, Brief(), StatementMapping(**said)))


def meant(fact: Fact) -> tuple[str, str, str, int, datetime]:
    kind = ("refund" if fact.is_ours else "other") if fact.is_out else "payment"
    return kind, fact.reference, fact.serial, fact.fen, fact.at


def said_by(dress: Dress) -> dict[str, str]:
    """A mapping as a person would save it: columns and the form of times; the rest is for the file."""
    amounts = {"amount_in_column": "收入", "amount_out_column": "支出"}
    said = {"time_column": "时间", "reference_column": "订单号", "provider_reference_column": "流水号"}
    said |= amounts if dress.way == "columns" else {"amount_column": "金额"}
    return said | {"date_format": dress.time, "kind_column": "借贷" if dress.way == "words" else "-"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dress=dresses, lines=st.lists(facts, min_size=1, max_size=5, unique_by=lambda fact: fact.number))
def test_the_dress_changes_no_line(tmp_path: Path, dress: Dress, lines: list[Fact]) -> None:
    assume(not dress.hides_a_sign(lines))
    found = read(dress.content(lines), tmp_path, said_by(dress))
    shown = [
        (one.kind, one.reference, one.provider_reference, one.fen, one.occurred_at.replace(tzinfo=None))
        for one in found
        if one.occurred_at
    ]
    assert shown == [meant(fact) for fact in lines]
    assert {one.note for one in found} <= {"", "left_out"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dress=dresses,
    lines=st.lists(facts, min_size=2, max_size=4, unique_by=lambda fact: fact.number),
    data=st.data(),
)
def test_damage_never_becomes_other_money(
    tmp_path: Path, dress: Dress, lines: list[Fact], data: st.DataObject
) -> None:
    content = dress.content(lines)
    # A share of the length: a workbook's own varies with the clock, and with it what might be drawn.
    place = data.draw(st.integers(0, 9_999)) * len(content) // 10_000
    length = data.draw(st.integers(1, 40))
    damaged = content[:place] + content[place + length :]
    true = {(fact.reference, fact.fen) for fact in lines if fact.is_ours and not fact.is_out}
    try:
        found = read(damaged, tmp_path, said_by(dress))
    except Refused:
        return
    paying = {(one.reference, one.fen) for one in found if one.kind == "payment" and not one.note}
    ours = {fact.reference for fact in lines if fact.is_ours}
    # Bytes that are lost within a figure leave a figure: nobody can see that. Of whole cells nothing wrong is left.
    wrong = {one for one in paying - true if one[0] in ours}
    assert len(wrong) <= 1
