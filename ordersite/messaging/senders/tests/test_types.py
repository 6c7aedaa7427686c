"""The errors of sending: what is done after each, and what they never show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ordersite.messaging.senders.exchange import code_of, without
from ordersite.messaging.senders.types import SEND_ERRORS, AccessToken, Action, ChannelKeys, SendError
from ordersite.messaging.senders.wechat import CODES


@pytest.mark.parametrize("code", sorted(SEND_ERRORS))
def test_only_unknown_leaves_the_outcome_open(code: str) -> None:
    error = SendError(code)

    assert error.outcome_known == (code != "unknown")
    assert error.retryable == (error.action is Action.RETRY)


def test_actions() -> None:
    assert SendError("out_of_funds").action is Action.ALARM
    assert SendError("no_consent").action is Action.GIVE_UP
    assert SendError("token_expired").pause == timedelta(0)
    assert SendError("limit_reached", pause=timedelta(seconds=30)).pause == timedelta(seconds=30)


def test_words_are_bounded_and_masked() -> None:
    error = SendError("refused", f"13800138000 {'x' * 300}")

    assert error.words.startswith("138****8000 xxx")
    assert len(error.words) == 200


def test_secrets_stand_in_no_repr() -> None:
    keys = ChannelKeys("email", "s", {}, {"email_url": "smtp://u:p4ss@h"})
    token = AccessToken("90_token", datetime(2026, 1, 1, tzinfo=UTC))

    assert "p4ss" not in repr(keys)
    assert "90_token" not in repr(token)


def test_the_longest_hidden_text_goes_first() -> None:
    assert without("key abcdef, abc", ("abc", "abcdef", "")) == "key ***, ***"


def test_a_class_of_codes_has_one_row() -> None:
    table = {"A.": "busy", "A.b.": "refused", "A.b.c": "blocked"}

    found = [code_of(code, table, otherwise="unknown") for code in ("A.x", "A.b.x", "A.b.c", "A", "B.x")]

    assert found == ["busy", "refused", "blocked", "unknown", "unknown"]


def test_every_row_of_wechat_is_known() -> None:
    assert set(CODES.values()) <= set(SEND_ERRORS)
