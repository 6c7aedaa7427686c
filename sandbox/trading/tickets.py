"""Tokens of download URLs that are valid for seconds."""

import secrets

from sandbox.formats import now
from sandbox.store import Store


def give(store: Store, *, provider: str, what: str, seconds: float) -> str:
    """A new token; `what` is returned when it is redeemed."""
    token = secrets.token_urlsafe(24)
    store.rows("INSERT INTO tickets VALUES (?, ?, ?, ?)", token, provider, what, now() + seconds)
    return token


def look(store: Store, *, provider: str, token: str) -> str | None:
    """The content of a token; None when it is unknown or expired."""
    store.rows("DELETE FROM tickets WHERE expires_at <= ?", now())
    row = store.row("SELECT what FROM tickets WHERE token = ? AND provider = ?", token, provider)
    return None if row is None else str(row["what"])
