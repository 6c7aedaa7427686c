"""What a check of the installation found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy


class State(StrEnum):
    """`warn` works, and is not how it should stay; `bad` does not."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"

    @property
    def label(self) -> str | Promise:
        return _LABELS[self]


_LABELS = {
    State.GOOD: pgettext_lazy("check", "good"),
    State.WARN: pgettext_lazy("check", "look"),
    State.BAD: pgettext_lazy("check", "mend"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A state, and one sentence in the language of the moment: what was seen, or what to do about it."""

    state: State
    text: str


def good(text: str) -> Found:
    return Found(State.GOOD, text)


def warn(text: str) -> Found:
    return Found(State.WARN, text)


def bad(text: str) -> Found:
    return Found(State.BAD, text)
