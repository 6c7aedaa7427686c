"""Labels of the errors that rows keep, without their codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import translation

from payments.provider_calls.labels import ERRORS, error_label

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (
            "provider_http_error: 支付宝没有给出可用的应答：HTTP 500",
            "支付渠道没有给出可用的应答。（HTTP 500）",
        ),
        (
            "provider_http_error: Alipay gave no usable answer: HTTP 500",
            "支付渠道没有给出可用的应答。（HTTP 500）",
        ),
        ("provider_unreachable: The other side cannot be reached.", "无法连接支付渠道。"),
        ("cannot_decrypt", "本机的加密密钥无法解开该账户的密钥。"),
        ("40004 没有数据", "40004 没有数据"),
        ("", ""),
    ],
)
def test_code_and_message_become_words(stored: str, words: str) -> None:
    with translation.override("zh-hans"):
        assert error_label(stored) == words


def test_every_code_of_an_adapter_has_words() -> None:
    pattern = re.compile(r"\"(provider_[a-z_]+|adapter_[a-z_]+|bad_address)\"")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "providers").rglob("*.py")]
    codes = {code for source in sources for code in pattern.findall(source)}
    assert len(codes) > 4
    assert codes - set(ERRORS) == {"provider_reference"}
