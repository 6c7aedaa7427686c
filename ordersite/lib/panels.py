"""The data that apps return for the order page, the API, the search and the diagnosis: plain and already readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.safestring import SafeString

NO_PICTURE = SafeString()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an order's timeline. `topic` is payment, parcel, people, message or order; `at` is UTC.

    `tone` is good, waiting, bad or plain; `evidence` a short human text; `url_name` and `url_id` lead to the row.
    """

    at: datetime
    topic: str
    title: str
    detail: str = ""
    tone: str = "plain"
    evidence: str = ""
    url_name: str = ""
    url_id: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a panel: a title, its facts, a state with its tone, a picture, and where a click leads."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    state: str = ""
    tone: str = "plain"
    url_name: str = ""
    url_id: int | None = None
    rows: Sequence[Entry] = ()
    picture: SafeString = NO_PICTURE
    log: LogEnd | None = None


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The end of a log about an item, for those who may see its `model` (`app.model`); `search` finds all of it."""

    title: str
    text: str
    model: str
    search: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A box of the order page."""

    title: str
    items: Sequence[Item] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain that diagnosis walks. `state` is good, waiting, broken or not_applicable.

    `advice` says in words what mends it.
    """

    name: str
    state: str
    at: datetime | None = None
    evidence: str = ""
    cause_code: str = ""
    cause: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
