"""Keeps what people got: a message a row, by phone, openid, e-mail address or group."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.formats import beijing, from_beijing, iso, now
from sandbox.store import Store

LATEST = 200
REPORT_AFTER = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that a vendor takes. `key` is the shop's name of it; `has_report`: the vendor says what became of it."""

    channel: str
    recipient: str
    vendor_id: str
    text: str
    key: str = ""
    template: str = ""
    link: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    has_report: bool = False


def take_message(store: Store, message: NewMessage) -> None:
    """Put a message into the inbox of its recipient."""
    store.rows(
        "INSERT INTO messages (channel, recipient, vendor_id, key, template, text, link, params, at, report, due_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        message.channel, message.recipient, message.vendor_id, message.key, message.template, message.text,
        message.link, json.dumps(dict(message.params), ensure_ascii=False), now(),
        "queued" if message.has_report else "none", now() + REPORT_AFTER,
    )  # fmt: skip


def same_again(store: Store, *, channel: str, recipient: str, key: str, seconds: float) -> str:
    """The vendor's number of the message that this key brought within the last seconds; empty for none. Counts it."""
    row = store.row(
        "UPDATE messages SET copies = copies + 1 WHERE channel = ? AND recipient = ? AND key = ? AND at > ?"
        " RETURNING vendor_id",
        channel, recipient, key, now() - seconds,
    )  # fmt: skip
    return "" if row is None else str(row["vendor_id"])


def count_since(store: Store, *, channel: str, recipient: str, since: float, template: str = "") -> int:
    """How many messages of the channel (and template) this person got since then."""
    row = store.row(
        "SELECT count(*) AS found FROM messages WHERE channel = ? AND recipient = ? AND at >= ?"
        " AND (? = '' OR template = ?)",
        channel, recipient, since, template, template,
    )  # fmt: skip
    assert row is not None
    return int(row["found"])


def midnight() -> float:
    """When the day of China began."""
    return from_beijing(f"{beijing(now())[:10]} 00:00:00")


def describe_messages(store: Store, *, recipient: str = "", channel: str = "") -> list[dict[str, object]]:
    """What one person got, or everybody, newest first."""
    rows = store.rows(
        "SELECT * FROM messages WHERE (? = '' OR recipient = ?) AND (? = '' OR channel = ?) ORDER BY id DESC LIMIT ?",
        recipient, recipient, channel, channel, LATEST,
    )  # fmt: skip
    return [
        {
            "channel": row["channel"],
            "recipient": row["recipient"],
            "vendor_id": row["vendor_id"],
            "key": row["key"],
            "template": row["template"],
            "text": row["text"],
            "link": row["link"],
            "params": json.loads(row["params"]),
            "at": iso(row["at"]),
            "copies": row["copies"],
            "report": row["report"],
        }
        for row in rows
    ]


def forget(store: Store) -> None:
    """Empty all inboxes."""
    store.rows("DELETE FROM messages")
