"""The true forms of bills: variants that are taken, and files that are refused with one clear line."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest

from payments.models import StatementLine, StatementMapping
from payments.reconciliation.readers import containers
from payments.reconciliation.refusals import message_of
from payments.reconciliation.tests import bills
from payments.reconciliation.tests.bills import Row
from payments.reconciliation.tests.shop import AT, account_at, attempt, paid, refund, results, row_of, take

pytestmark = pytest.mark.django_db
GOOD = Row("REFERENCE0000001", "2026112122001", "199.00")
BACK = Row("REFERENCE0000001", "2026112122001", "9.90", kind="refund", request="REFUND0000000001")


def taken_as(provider: str, content: bytes) -> tuple[str, str]:
    """The form and, for a refused file, the code; of a refused one nothing but its row is kept."""
    statement = take(account_at(provider), content)
    if statement.refusal:
        assert not statement.lines.exists()
        assert (statement.lines_read, statement.lines_total, results(statement)) == (0, None, {})
    return statement.status, statement.refusal.get("code", "")


@pytest.mark.parametrize(
    ("provider", "content"),
    [
        ("alipay", bills.alipay_csv([GOOD, BACK])),
        ("alipay", bills.alipay_zip([GOOD, BACK])),
        ("alipay", bills.alipay_csv([GOOD.but(name="杯子, 大号")])),
        ("alipay", bills.alipay_csv([GOOD, BACK]).replace(b"\r\n", b"\n")),
        ("alipay", bills.alipay_csv([])),
        ("wechatpay", bills.wechat_csv([GOOD, BACK])),
        ("wechatpay", bills.wechat_csv([GOOD, BACK], bom="")),
        ("wechatpay", bills.wechat_csv([GOOD, BACK], form="OLD")),
        ("wechatpay", bills.wechat_csv([GOOD], form="SUCCESS")),
        ("wechatpay", bills.wechat_csv([BACK], form="REFUND")),
        ("wechatpay", bills.wechat_csv([GOOD.but(name="杯, `子")])),
        ("wechatpay", bills.gzipped(bills.wechat_csv([GOOD, BACK]))),
        ("wechatpay", bills.zipped({"账单.csv": bills.wechat_csv([GOOD])})),
        ("unionpay", bills.unionpay_zm([GOOD, BACK])),
        ("unionpay", bills.zipped({"INN26112188ZM_777290058110048": bills.unionpay_zm([GOOD, BACK])})),
    ],
)
def test_every_true_form_is_read(provider: str, content: bytes) -> None:
    assert taken_as(provider, content) == ("matched", "")


@pytest.mark.parametrize("form", ["ALL", "OLD"])
def test_every_cell_that_counts_is_read_exactly(form: str) -> None:
    account = account_at("wechatpay")
    statement = take(account, bills.wechat_csv([GOOD.but(amount="0.07"), BACK], form=form))
    columns = ("kind", "reference", "provider_reference", "refund_reference", "amount", "occurred_at")
    assert list(statement.lines.order_by("id").values_list(*columns)) == [
        ("payment", "REFERENCE0000001", "2026112122001", "", Decimal("0.07"), AT),
        ("refund", "REFERENCE0000001", "2026112122001", "REFUND0000000001", Decimal("9.90"), AT),
    ]
    assert (statement.payments_amount, statement.refunds_amount) == (Decimal("0.07"), Decimal("9.90"))
    assert (statement.period_from, statement.period_to) == (
        datetime(2026, 11, 20, 16, tzinfo=UTC),
        datetime(2026, 11, 21, 16, tzinfo=UTC),
    )


def test_a_line_keeps_the_digest_of_its_bytes() -> None:
    content = bills.alipay_csv([GOOD])
    raw = next(line for line in content.split(b"\r\n") if line.startswith(b"2026112122001"))
    take(account_at("alipay"), content)
    assert StatementLine.objects.get().sha256 == hashlib.sha256(raw).hexdigest()


def edited(content: bytes, old: str, new: str, encoding: str = "gbk") -> bytes:
    changed = content.replace(old.encode(encoding), new.encode(encoding), 1)
    assert changed != content
    return changed


def without_line(content: bytes, number: int) -> bytes:
    lines = content.split(b"\r\n")
    return b"\r\n".join(lines[:number] + lines[number + 1 :])


ALIPAY, WECHAT = bills.alipay_csv([GOOD, BACK]), bills.wechat_csv([GOOD, BACK])


@pytest.mark.parametrize(
    ("provider", "content", "code"),
    [
        # Cut off
        ("alipay", ALIPAY[: ALIPAY.index(b"\r\n", ALIPAY.index("退款  ".encode("gbk"))) + 2], "truncated"),
        ("alipay", ALIPAY[: ALIPAY.index("退款  ".encode("gbk"))], "bad_line"),
        ("alipay", ALIPAY[: ALIPAY.rindex("#退款合计".encode("gbk"))], "truncated"),
        ("alipay", bills.alipay_zip([GOOD])[:-40], "unknown_form"),
        ("wechatpay", WECHAT[: WECHAT.rindex(b"\r\n`") + 2], "truncated"),
        ("wechatpay", WECHAT[: WECHAT.index("总交易单数".encode())], "truncated"),
        ("wechatpay", bills.gzipped(WECHAT)[:-20], "broken_file"),
        ("unionpay", bills.unionpay_zm([GOOD, GOOD])[:-400], "truncated"),
        # Changed
        ("alipay", ALIPAY.replace(b"199.00,199.00", b"1.00,1.00", 1), "totals_differ"),
        ("alipay", without_line(ALIPAY, 5), "totals_differ"),
        ("alipay", edited(ALIPAY, "#交易合计：1笔", "#交易合计：2笔"), "totals_differ"),
        ("wechatpay", without_line(WECHAT, 1), "totals_differ"),
        ("wechatpay", WECHAT.replace(b"`2.0,", b"`3.0,", 1), "totals_differ"),
        ("wechatpay", WECHAT.replace(b"`0.60%,`199.00", b"`0.60%,`299.00", 1), "totals_differ"),
        # Of another account or provider
        ("alipay", bills.alipay_csv([GOOD], seller="2088999999999999"), "wrong_account"),
        ("wechatpay", bills.wechat_csv([GOOD], mchid="1900009999"), "wrong_account"),
        ("wechatpay", bills.wechat_csv([GOOD], appid="wx0000000000000000"), "wrong_account"),
        ("unionpay", bills.unionpay_zm([GOOD], mer_id="777290058110099"), "wrong_account"),
        ("alipay", WECHAT, "wrong_form"),
        ("wechatpay", ALIPAY, "wrong_form"),
        # Not a bill
        ("alipay", b"a,b\n1,2\n", "unknown_form"),
        ("alipay", b"\x7fELF\0\0\0\0", "unknown_form"),
        ("alipay", bills.zipped({"x.txt": b"hello"}), "unknown_form"),
        ("alipay", b"%PDF-1.7 x", "unknown_form"),
        # Lines that no bill has
        ("alipay", edited(ALIPAY, "199.00,199.00", "1e2,199.00"), "bad_line"),
        ("alipay", edited(ALIPAY, "199.00,199.00", "１９９.00,199.00"), "bad_line"),
        ("alipay", edited(ALIPAY, "199.00,199.00", "199.001,199.00"), "bad_line"),
        ("alipay", edited(ALIPAY, "199.00,199.00", "NaN,199.00"), "bad_line"),
        ("alipay", ALIPAY.replace(b"2026-11-21 10:00:00", b"2026-13-21 10:00:00"), "bad_line"),
        ("wechatpay", edited(WECHAT, "`保温杯", "`保温杯,`x", "utf-8"), "bad_line"),
        ("wechatpay", edited(WECHAT, "`CNY", "`USD", "utf-8"), "bad_line"),
        ("wechatpay", edited(WECHAT, "保温杯", "杯" * 9000, "utf-8"), "line_too_long"),
        ("wechatpay", edited(WECHAT, "商户订单号", "订单", "utf-8"), "missing_column"),
    ],
)
def test_cut_changed_or_foreign_bill_is_refused(provider: str, content: bytes, code: str) -> None:
    assert taken_as(provider, content) == ("refused", code)


def test_a_refusal_is_one_clear_line() -> None:
    statement = take(account_at("alipay"), ALIPAY.replace(b"199.00,199.00", b"1.00,1.00", 1))
    assert (
        message_of(statement.refusal)
        == "The file says payments: 199.00, but its lines come to 1.00: it was changed."
    )


def test_a_refused_file_may_come_again() -> None:
    account = account_at("wechatpay")
    first = take(account, ALIPAY)
    second = take(account, ALIPAY)
    assert (first.status, second.status) == ("refused", "refused")
    assert first.pk != second.pk


def test_a_bill_of_another_day_is_fine() -> None:
    account = account_at("alipay")
    payment = paid(account)
    row = row_of(payment).but(at="2026-10-01 08:00:00")
    assert results(take(account, bills.alipay_csv([row], day="2026-10-01"))) == {"matched": 1}


def test_gbk_bill_gives_each_line_its_result() -> None:
    account = account_at("alipay")
    payment = paid(account)
    back = refund(payment, "9.90")
    rows = [
        row_of(payment, name="龍井茶，特級"),
        row_of(payment, name="龍井茶，特級"),
        Row("ZERO000000000001", "T0", "0.00", name="赠品"),
        row_of(payment, kind="refund", amount="9.90", request=back.refund_reference),
    ]
    statement = take(account, bills.alipay_zip(rows))
    assert list(statement.lines.order_by("id").values_list("result", flat=True)) == [
        "matched", "duplicate", "missing_here", "matched",
    ]  # fmt: skip


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    zeros = b"0" * (containers.RATIO_FROM + 1024)
    assert taken_as("alipay", bills.zipped({"x.csv": zeros})) == ("refused", "bomb")


def test_gzip_bomb_is_refused_while_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "RATIO_FROM", 1024 * 1024)
    monkeypatch.setattr(containers, "MAX_RATIO", 20)
    content = bills.wechat_csv([GOOD]).split("总交易单数".encode())[0]
    line = content.split(b"\r\n")[1] + b"\r\n"
    packed = bills.gzipped(content + line * (containers.RATIO_FROM // len(line) + 1000))
    assert taken_as("wechatpay", packed) == ("refused", "bomb")


def test_a_zip_packed_in_an_odd_way_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.csv", b"x")
    assert taken_as("alipay", target.getvalue()) == ("refused", "broken_file")


def test_an_encrypted_zip_is_refused() -> None:
    content = bytearray(bills.zipped({"x.csv": ALIPAY}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.index(signature) + at
        content[position] |= 1
    assert taken_as("alipay", bytes(content)) == ("refused", "encrypted")


# --- A bank's own file ---


def bank(**changes: str | int) -> StatementMapping:
    values: dict[str, str | int] = {
        "name": "bank",
        "amount_column": "交易金额",
        "time_column": "交易时间",
        "reference_column": "订单号",
        "provider_reference_column": "流水号",
        "date_format": "%Y/%m/%d %H:%M:%S",
        **changes,
    }
    return StatementMapping.objects.create(**values)


def bank_csv(*rows: str, encoding: str = "utf-8") -> bytes:
    return "\r\n".join(["某银行 对账单", "订单号,流水号,交易金额,交易时间", *rows, ""]).encode(encoding)


def test_a_bank_file_is_read_by_its_mapping() -> None:
    account = account_at("webhook")
    one, two = attempt(account), paid(account)
    content = bank_csv(
        f'{one.reference},="0001",199.00,2026/11/21 10:00:00',
        f'{two.reference},{two.provider_reference},"1,199.00",2026/11/21 10:00:00',
        f"{two.reference},B77,-9.90,2026/11/21 10:00:00",
        '=HYPERLINK("http://x"),B78,5.00,2026/11/21 10:00:00',
        ",,合计 1393.10,",
        encoding="gb18030",
    )
    statement = take(account, content, mapping=bank(skip_lines=1, encoding="gb18030"))
    assert (statement.form, statement.refusal) == ("mapped", {})
    assert list(
        statement.lines.order_by("id").values_list("kind", "provider_reference", "amount", "result")
    ) == [
        ("payment", "0001", Decimal("199.00"), "missing_here"),
        ("payment", two.provider_reference, Decimal("1199.00"), "amount_differs"),
        ("refund", "B77", Decimal("9.90"), "missing_here"),
        ("payment", "B78", Decimal("5.00"), "missing_here"),
    ]
    assert StatementLine.objects.filter(reference='=HYPERLINK("http://x")').count() == 1


def test_bank_refund_or_outflow_is_no_payment() -> None:
    account = account_at("webhook")
    stuck = attempt(account)
    rows = [("收款", "199.00"), ("退款", "9.90"), ("冲正", "-199.00"), ("退款", "-1.00")]
    lines = [
        f"{stuck.reference},B{n},{amount},2026/11/21 10:00:00,{word}" for n, (word, amount) in enumerate(rows)
    ]
    content = "\r\n".join(["订单号,流水号,交易金额,交易时间,类型", *lines, ""]).encode()
    statement = take(account, content, mapping=bank(kind_column="类型", refund_words="退款 退货"))
    assert list(statement.lines.order_by("id").values_list("kind", "amount")) == [
        ("payment", Decimal("199.00")),
        ("refund", Decimal("9.90")),
        ("refund", Decimal("199.00")),
        ("refund", Decimal("1.00")),
    ]


@pytest.mark.parametrize(
    ("row", "changes", "code"),
    [
        ("R1,B1,199.005,2026/11/21 10:00:00", {}, "bad_line"),
        ("R1,B1,abc,2026/11/21 10:00:00", {}, "bad_line"),
        ("R1,B1,Infinity,2026/11/21 10:00:00", {}, "bad_line"),
        ("R1,B1,1.5,2026/11/21 10:00:00", {"unit": "fen"}, "bad_line"),
        ("R1,B1,1.00,21.11.2026", {}, "bad_line"),
        ("R1,B1,1.00", {}, "bad_line"),
        ("R1,B1,1.00,2026/11/21 10:00:00", {"amount_column": "金额"}, "missing_column"),
        (
            "R1,B1,1.00,2026/11/21 10:00:00",
            {"account_column": "流水号", "account_value": "B2"},
            "wrong_account",
        ),
    ],
)
def test_unreadable_bank_file_is_refused(row: str, changes: dict[str, str], code: str) -> None:
    statement = take(account_at("webhook"), bank_csv(row), mapping=bank(skip_lines=1, **changes))
    assert (statement.status, statement.refusal["code"]) == ("refused", code)
    assert not statement.lines.exists()


def workbook(*rows: list[object]) -> bytes:
    book, target = openpyxl.Workbook(), io.BytesIO()
    for row in (["订单号", "流水号", "交易金额", "交易时间"], *rows):
        book.active.append(row)
    book.save(target)
    return target.getvalue()


def test_a_workbook_is_read_to_the_fen() -> None:
    account = account_at("webhook")
    at = datetime(2026, 11, 21, 10, 0)  # noqa: DTZ001  # a workbook knows no zones
    content = workbook(
        ["R1", "B1", 19.99, at], ["R2", "B2", 0.125, "2026/11/21 10:00:00"], ["R3", 77, "1.10", at]
    )
    statement = take(account, content, mapping=bank())
    assert statement.refusal == {
        "code": "bad_line",
        "params": {"line": "3", "problem": "amount", "column": "交易金额", "cell": "0.125"},
    }
    content = workbook(["R1", "B1", 19.99, at], ["R3", 77, "1.10", at], ["=1+1", "B4", 1, at])
    statement = take(account, content, mapping=StatementMapping.objects.get())
    columns = ("number", "reference", "provider_reference", "amount", "occurred_at")
    assert list(statement.lines.order_by("id").values_list(*columns)) == [
        (2, "R1", "B1", Decimal("19.99"), AT),
        (3, "R3", "77", Decimal("1.10"), AT),
        (4, "", "B4", Decimal("1.00"), AT),
    ]


def test_number_rounded_by_a_workbook_is_refused() -> None:
    content = workbook([2026112122001400000, "B1", 1, "2026/11/21 10:00:00"])
    statement = take(account_at("webhook"), content, mapping=bank())
    assert statement.refusal["params"]["problem"] == "number_as_id"


def test_a_workbook_with_entities_is_refused() -> None:
    source = zipfile.ZipFile(io.BytesIO(workbook(["R1", "B1", 1, "2026/11/21 10:00:00"])))
    members = {name: source.read(name) for name in source.namelist()}
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = bomb + members[sheet]
    statement = take(account_at("webhook"), bills.zipped(members), mapping=bank())
    assert statement.refusal["code"] == "broken_file"


@pytest.mark.parametrize("name", ["sharedStrings.xml", "worksheets/sheet1.xml", "worksheets/texts.xml"])
def test_large_part_beside_the_sheets_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The texts of all cells are held in memory, under whatever name the manifest gives them."""
    monkeypatch.setattr(containers, "MAX_PART", 16 * 1024)
    source = zipfile.ZipFile(io.BytesIO(workbook(["R1", "B1", 1, "2026/11/21 10:00:00"])))
    members = {part: source.read(part) for part in source.namelist()}
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/{name}" ContentType="{kind}" /></Types>'.encode()
    manifest = members["[Content_Types].xml"].replace(b"</Types>", override)
    texts = b"<sst>" + b"<si><t>x</t></si>" * 1024 + b"</sst>"
    changed = members | {"[Content_Types].xml": manifest, f"xl/{name}": texts}
    statement = take(account_at("webhook"), bills.zipped(changed), mapping=bank())
    assert statement.refusal["code"] == "too_large"


def test_a_sheet_of_any_size_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_PART", 16 * 1024)
    content = workbook(*(["R1", f"B{n}", 1, "2026/11/21 10:00:00"] for n in range(300)))
    statement = take(account_at("webhook"), content, mapping=bank())
    assert (statement.status, statement.lines_total) == ("matched", 300)
