"""B6: read and match a bill of 100,000 lines with a million payments, beside bare COPY and JOIN; then one of a million.

The bill is WeChat Pay's own form. Every seeded difference must be found and nothing else, or the run is void.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from benchmarks.harness.base import Context, Result, measured
from benchmarks.harness.forked import run_forked
from benchmarks.rows import fill
from benchmarks.rows.backlog import make_account
from ordersite.queue.claims import Claim
from payments.models import PaymentAccount, Statement
from payments.reconciliation import importing

PAYMENTS = 1_000_000
LINES = 100_000
SEEDED = 100  # of each kind
GOAL_RATIO = 4.0
GOAL_SECONDS_OF_ALL = 30.0
MOST_MEGABYTES = 300
MCHID, APPID = "1900000109", "wx8888888888888888"
_DAY, _DAY_BEFORE = "2026-11-21", "2026-11-20"
_PAYMENTS = """
INSERT INTO payments_payment (order_id, account_id, reference, provider_reference, amount, refunded_amount, is_surplus,
 currency, status, pay_url, code_url, created_at, expires_at, paid_at, queries, last_answer)
SELECT id, %s, 'B' || lpad(row_number::text, 19, '0'), '42' || lpad(row_number::text, 26, '0'), 26640, 0, false, 'CNY',
 'paid', '', '', created_at, close_due_at,
 CASE WHEN row_number <= %s THEN timestamptz '2026-11-21 10:00+08' ELSE timestamptz '2026-11-20 10:00+08' END, 0, ''
FROM (SELECT id, created_at, close_due_at, row_number() OVER (ORDER BY id) FROM orders_order) o
"""
_NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
# Bare: no reading, no states, no duplicates; every statement of ours that a matching cannot do without.
_FLOOR = (
    "CREATE UNLOGGED TABLE bare (number int, reference text, trade text, amount bigint, at timestamptz)",
    "ANALYZE bare",
    "CREATE TABLE bare_line (number int, reference text, trade text, amount bigint, at timestamptz, result text,"
    " payment_id bigint)",
    """INSERT INTO bare_line SELECT b.*, CASE WHEN p.id IS NULL THEN 'missing_here' WHEN p.amount <> b.amount
       THEN 'amount_differs' ELSE 'matched' END, p.id
       FROM bare b LEFT JOIN payments_payment p ON p.reference = b.reference""",
    """INSERT INTO bare_line SELECT NULL, p.reference, p.provider_reference, p.amount, p.paid_at, 'missing_there', p.id
       FROM payments_payment p LEFT JOIN bare b ON b.reference = p.reference
       WHERE b.reference IS NULL AND p.status = 'paid' AND p.paid_at >= '2026-11-21 00:00+08'
       AND p.paid_at < '2026-11-22 00:00+08'""",
    "DROP TABLE bare_line",
)


def run(context: Context) -> list[Result]:
    settings.PRIVATE_DIR = str(context.folder / "private")
    account = make_account("bench", provider="wechatpay", config={"mchid": MCHID, "appid": APPID})
    _fill(account)
    small = _write(context.folder / "small.csv", LINES, seeded=True)
    rounds = []
    for _round in range(context.runs):
        floor = _bare()
        with measured() as watch:
            seconds, megabytes = _import(account, small)
        _check(LINES)
        rounds.append((seconds / floor, seconds, floor, watch.foreign_cpu))
        _forget()
    ratio, seconds, floor, foreign = min(rounds)
    whole = _write(context.folder / "whole.csv", PAYMENTS, seeded=False)
    with measured() as watch:
        all_seconds, megabytes = _import(account, whole)
    _check(PAYMENTS)
    return [
        Result(
            "B6",
            f"read and match a bill of {LINES:,} lines",
            round(seconds, 2),
            "s",
            floor=round(floor, 2),
            ratio=round(ratio, 2),
            goal=f"<= {GOAL_RATIO:.0f} x COPY + JOIN",
            met=ratio <= GOAL_RATIO,
            foreign_cpu=foreign,
        ),
        Result(
            "B6",
            f"read and match a bill of {PAYMENTS:,} lines",
            round(all_seconds, 2),
            "s",
            goal=f"<= {GOAL_SECONDS_OF_ALL:.0f} s",
            met=all_seconds <= GOAL_SECONDS_OF_ALL,
            foreign_cpu=watch.foreign_cpu,
        ),
        Result(
            "B6",
            "memory of that at its highest",
            round(megabytes, 1),
            "MB",
            goal=f"< {MOST_MEGABYTES} MB",
            met=megabytes < MOST_MEGABYTES,
            foreign_cpu=watch.foreign_cpu,
        ),
    ]


def _fill(account: PaymentAccount) -> None:
    merchant = fill.build_shop(buyers=2_000)
    fill.build_orders(merchant, 1, PAYMENTS, status="'paid'")
    with connection.cursor() as cursor:
        cursor.execute(_PAYMENTS, [account.pk, LINES + SEEDED])
        # A hundred whose money we have not seen.
        cursor.execute(
            "UPDATE payments_payment SET status = 'open', paid_at = NULL WHERE reference <= %s",
            [_ours(SEEDED)],
        )
    fill.settle_down()


def _ours(number: int) -> str:
    return f"B{number:019d}"


def _lines(count: int, *, seeded: bool) -> list[tuple[str, str, int, str]]:
    """Yield number, trade, fen and time of each line: first those missing here, then unknown, other amounts, duplicates."""
    day = _DAY if seeded else _DAY_BEFORE
    rows = []
    for number in range(1, count + 1):
        ours, theirs, fen = _ours(number), f"42{number:026d}", 26640
        if seeded and SEEDED < number <= 2 * SEEDED:
            ours, theirs = f"X{number:019d}", f"43{number:026d}"
        elif seeded and 2 * SEEDED < number <= 3 * SEEDED:
            fen = 26639
        elif seeded and 3 * SEEDED < number <= 4 * SEEDED:
            ours, theirs = _ours(number + SEEDED), f"42{number + SEEDED:026d}"
        rows.append((ours, theirs, fen, f"{day if number <= LINES else _DAY_BEFORE} 10:00:00"))
    return rows


def _write(path: Path, count: int, *, seeded: bool) -> Path:
    total = 0
    with path.open("w", encoding="utf-8-sig", newline="\r\n") as file:
        file.write(f"{_NAMES}\n")
        for ours, theirs, fen, at in _lines(count, seeded=seeded):
            yuan = f"{fen // 100}.{fen % 100:02d}"
            total += fen
            file.write(
                f"`{at},`{APPID},`{MCHID},`0,`,`{theirs},`{ours},`oUpF8uMuAJO,`JSAPI,`SUCCESS,`OTHERS,`CNY,`{yuan},`0.00,`0,`0,"
                f"`0.00,`0.00,`,`,`保温杯,`,`1.60000,`0.60%,`{yuan},`0.00,`\n"
            )
        sums = f"{total // 100}.{total % 100:02d}"
        file.write(f"{_SUMMARY}\n`{count}.0,`{sums},`0.00,`0.00,`0.00,`{sums},`0.00\n")
    return path


def _bare() -> float:
    """Return the seconds of COPY, ANALYZE, two joins and their INSERTs, with lines that are parsed already."""
    block = "".join(
        f"{number}\t{ours}\t{theirs}\t{fen}\t{at}+08\n"
        for number, (ours, theirs, fen, at) in enumerate(_lines(LINES, seeded=True), start=2)
    ).encode()
    create, analyze, *rest, drop = _FLOOR
    with connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute(create)
        with cursor.copy("COPY bare FROM STDIN") as copy:
            copy.write(block)
        cursor.execute(analyze)
        for statement in rest:
            cursor.execute(statement)
        seconds = time.perf_counter() - started
        cursor.execute(drop)
    return seconds


def _import(account: PaymentAccount, path: Path) -> tuple[float, float]:
    """Take the file in, read and match it; returns seconds and megabytes."""
    run = run_forked(partial(_take_in_and_match, account, path))
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    return run.seconds, run.megabytes


def _take_in_and_match(account: PaymentAccount, path: Path) -> None:
    origin = importing.Origin(source=Statement.Source.COMMAND, file_name=path.name)
    with path.open("rb") as stream:
        statement = importing.take_in(account, stream, origin).statement
    importing.run(Claim(statement.pk, statement.attempts))


def _check(lines: int) -> None:
    """Raise RuntimeError unless exactly the seeded differences were found."""
    found = Statement.objects.latest("id")
    results = (
        found.lines_total, found.matched, found.missing_here, found.missing_there, found.amount_differs, found.duplicate,
    )  # fmt: skip
    expected = (LINES, LINES - 4 * SEEDED, 2 * SEEDED, 3 * SEEDED, SEEDED, SEEDED)
    if lines != LINES:
        expected = (lines, lines - SEEDED, SEEDED, 0, 0, 0)
    if results != expected:
        raise RuntimeError(f"found {results}, seeded {expected}: {found.refusal or found.last_error}")


def _forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_statementline RESTART IDENTITY CASCADE")
    Statement.objects.update(sha256="", status="refused", done_at=timezone.now())
