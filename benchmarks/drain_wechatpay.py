"""B2w: the backlog of B2 at a WeChat Pay account."""

from __future__ import annotations

from benchmarks import drain
from benchmarks.backlog import make_account
from benchmarks.base import Context, Result


def run(context: Context) -> list[Result]:
    return drain.compare(context, make_account(provider="wechatpay"), id="B2w")
