"""B2w: B2 with notifications of a WeChat Pay account."""

from __future__ import annotations

from benchmarks.harness.base import Context, Result
from benchmarks.notifications import drain
from benchmarks.rows.backlog import make_account


def run(context: Context) -> list[Result]:
    return drain.compare(context, make_account(provider="wechatpay"), id="B2w")
