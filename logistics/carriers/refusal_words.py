"""Tells by its words what a refusal means, for carriers that publish no table of their error codes."""

from __future__ import annotations

from collections.abc import Mapping

# Unknown comes first: whatever the carrier may have done all the same is never a plain no.
WORDS_OF_ERRORS: Mapping[str, tuple[str, ...]] = {
    "unknown": ("重复", "已存在", "超时", "系统异常", "系统错误", "系统繁忙"),
    "misconfigured": ("签名", "验签", "密钥", "白名单", "无权限", "未授权", "客户编码"),
    "throttled": ("频繁", "限流", "流控", "超过限制"),
}
_CANCELLED = ("已取消", "已经取消")


def code_of_words(words: str, *, otherwise: str) -> str:
    """The code of `CARRIER_ERRORS` that the words of a refusal mean."""
    found = (code for code, marks in WORDS_OF_ERRORS.items() if any(mark in words for mark in marks))
    return next(found, otherwise)


def says_cancelled(words: str) -> bool:
    """Whether the carrier refuses because the order is cancelled already."""
    return any(mark in words for mark in _CANCELLED)
