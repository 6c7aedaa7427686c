"""A value that is no value stops the start with one line that names it."""

from __future__ import annotations

import pytest

from ordersite.lib import env


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999", "two"])
def test_a_number_that_is_none_stops_the_start(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOURS", value)
    with pytest.raises(env.BadEnvironment):
        env.decimal_number("HOURS", 2, least=0.1)
    assert capsys.readouterr().err.startswith("ordersite cannot start: HOURS must be ")


def test_address_of_another_scheme_stops_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER", "redis://127.0.0.1/0")
    assert env.address("SERVER", "", schemes=("redis", "amqp")) == "redis://127.0.0.1/0"
    monkeypatch.setenv("SERVER", "kafka://secret@host")
    with pytest.raises(env.BadEnvironment):
        env.address("SERVER", "", schemes=("redis", "amqp"))
    assert capsys.readouterr().err == "ordersite cannot start: SERVER must begin with redis:// or amqp://\n"


def test_missing_address_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER", " ")
    assert env.address("SERVER", "", schemes=("redis",)) == ""


@pytest.mark.parametrize(("value", "meant"), [("false", False), ("0", False), ("on", True), (" ", True)])
def test_flag_that_is_set_wins_over_default(value: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", value)
    assert env.flag("SWITCH", default=True) is meant
