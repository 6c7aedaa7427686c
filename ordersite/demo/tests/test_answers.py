"""Refusals as a buyer reads them: what to do next, and nothing of how the shop protects itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils.translation import override

from orders import errors
from ordersite.demo.answers import refusal_json, wait_of, words_of
from ordersite.lib.errors import DomainError


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    with override("zh-hans"):
        yield


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (61, "店铺暂时无法受理这笔订单，请 2 分钟后再试。"),
        (86_400, "暂时无法提交此订单，请稍后再试，或联系店铺客服。"),
    ],
)
def test_refusal_names_no_rule(seconds: int, words: str) -> None:
    error = errors.OrderRefused(seconds)

    assert (words_of(error), wait_of(error)) == (words, seconds)


def test_other_refusals_say_what_to_do() -> None:
    assert words_of(errors.duplicate_suspected("20261129-7F3K-0042")) == (
        "您刚刚下过同样的订单 20261129-7F3K-0042，请直接处理那一笔。"
    )
    assert words_of(errors.RequestInProgress()) == "订单正在处理中，请稍等片刻再提交一次，不会重复下单。"
    assert (
        words_of(DomainError("invalid", "%(problem)s", problem="请填写 11 位手机号。"))
        == "请填写 11 位手机号。"
    )


@pytest.mark.parametrize(
    ("error", "needs_new_key"),
    [
        (errors.idempotency_key_reused(), True),
        (errors.idempotency_key_missing(), True),
        (errors.duplicate_suspected("20261129-7F3K-0042"), False),
        (errors.RequestInProgress(), False),
    ],
)
def test_key_is_kept_where_it_is_good(error: DomainError, needs_new_key: bool) -> None:
    assert refusal_json(error, None)["new_key"] is needs_new_key
