"""Typed values from the environment, which nothing else of the product reads; a malformed one stops the start."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import environ

T = TypeVar("T")
_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class BadEnvironment(SystemExit):
    """Raised while settings load; carries one line for the operator and exit status 2."""


def stop(name: str, problem: str) -> NoReturn:
    sys.stderr.write(f"ordersite cannot start: {name} {problem}\n")
    raise BadEnvironment(2)


def load_file(path: Path) -> None:
    """Read `NAME=value` lines from a file into the environment; variables that are set already win. Values are literal."""
    if not path.is_file():
        return
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.partition("=")
        if not sign or not name.strip().isidentifier():
            stop(path.name, f"line {number} is not NAME=value")
        os.environ.setdefault(name.strip(), value.strip().strip('"').strip("'"))


def text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        stop(name, "is not set")
    return default


def flag(name: str, default: bool = False) -> bool:
    """Read true or false; the default if the variable is empty."""
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw not in _WORDS:
        stop(name, f"must be true or false, not {os.environ[name]!r}")
    return _WORDS[raw]


def _number(name: str, default: T, kind: Callable[[str], T], *, least: float) -> T:
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        value = kind(raw)
    except ValueError:
        stop(name, f"must be a number, not {raw!r}")
    if math.isinf(value):  # type: ignore[arg-type]
        stop(name, f"must be a number, not {raw!r}")
    if not float(value) >= least:  # type: ignore[arg-type]  # also refuses NaN
        stop(name, f"must be at least {least:g}, not {raw!r}")
    return value


def integer(name: str, default: int, *, least: int = 0) -> int:
    return _number(name, default, int, least=least)


def decimal_number(name: str, default: float, *, least: float = 0.0) -> float:
    return _number(name, default, float, least=least)


def address(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Read a URL with one of these schemes; the default if the variable is empty."""
    value = text(name, default)
    if value and value.partition("://")[0] not in schemes:
        stop(name, f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return value


def choice(name: str, default: str, choices: Iterable[str]) -> str:
    """Read one of these words, as it is written here; the default if the variable is empty."""
    value, allowed = text(name, default), list(choices)
    if value not in allowed:
        stop(name, f"must be {', '.join(allowed[:-1])} or {allowed[-1]}, not {value!r}")
    return value


def database(name: str, url: str) -> dict[str, Any]:
    """Return Django's settings of a database for the address that this variable has."""
    try:
        return dict(environ.Env.db_url_config(url))
    except (ValueError, KeyError) as error:
        stop(name, f"is malformed: {error}")


def json_object(name: str) -> dict[str, Any]:
    """Read a JSON object; an empty one if the variable is empty. The error line never shows the value."""
    try:
        value = json.loads(text(name, "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        stop(name, "must be a JSON object")
    return value


def words(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list; blanks around the items are dropped."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def checked(name: str, parse: Callable[[str], T], default: str | None = None) -> T:
    """Read a value with `parse`; its ValueError becomes the error line, which never shows the value."""
    raw = text(name, default)
    try:
        return parse(raw)
    except ValueError as error:
        stop(name, f"is malformed: {error}")
