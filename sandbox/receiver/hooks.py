"""Simulates a merchant's own program that receives webhooks in the Standard Webhooks form, signed with its secret.

`/receiver/NAME/` is one receiver; each has its secret, and keeps every message that it got. A copy of a message that it
knows is answered like the first, and counted.
"""

import json
import re
from collections.abc import Mapping

from sandbox.formats import iso, now
from sandbox.keys.signing import webhook_secret_bytes, webhook_verify
from sandbox.store import Store
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response
from sandbox.world import World

TARGET = "receiver.hook"
_PATH = re.compile(r"/receiver/([a-z0-9-]{1,40})/")


def set_secret(store: Store, name: str, secret: str) -> None:
    """Give a receiver its secret, in place of the one that it had. Raises ValueError for a text that is no secret."""
    webhook_secret_bytes(secret)
    store.rows(
        "INSERT INTO receivers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET secret = excluded.secret",
        name,
        secret,
    )


def handle_hook(world: World, request: Request) -> Response:
    """`POST /receiver/NAME/`. Raises HangUp under faults."""
    found = _PATH.fullmatch(request.path)
    if found is None:
        return json_response({"error": "not_found"}, status=404)
    name = found.group(1)
    return troubled(world, target=TARGET, work=lambda active: _answer(world, name, request, active))


def _answer(world: World, name: str, request: Request, active: Mapping[str, float]) -> Response:
    if "redirect" in active:
        return Response(307, headers={"Location": f"{world.settings.origin}/receiver/elsewhere/"})
    if "gone" in active:
        return json_response({"error": "gone"}, status=410)
    if "slow_down" in active:
        return Response(429, b"slow down", headers={"Retry-After": str(int(active["slow_down"]))})
    row = world.store.row("SELECT secret FROM receivers WHERE name = ?", name)
    if row is None:
        return json_response({"error": "unknown_receiver"}, status=404)
    secret = webhook_secret_bytes(row["secret"])
    if not webhook_verify(secret, headers=request.headers, body=request.body, now=now()):
        _keep(world.store, name, request, state="bad_signature")
        return json_response({"error": "bad_signature"}, status=401)
    _keep(world.store, name, request, state="taken")
    return json_response({"ok": True})


def _keep(store: Store, name: str, request: Request, *, state: str) -> None:
    try:
        message = json.loads(request.body)
        kind, data = str(message["type"]), message["data"]
        number = str(data.get("number", "")) if isinstance(data, dict) else ""
    except (ValueError, KeyError, TypeError):
        kind, number = "", ""
    store.rows(
        "INSERT INTO received_hooks (name, webhook_id, kind, number, body, state, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        name, request.headers.get("webhook-id", ""), kind, number, request.body.decode("utf-8", "replace"), state, now(),
    )  # fmt: skip


def forget(store: Store) -> None:
    """Forget every message that was received; the secrets stay."""
    store.rows("DELETE FROM received_hooks")


def latest(store: Store, limit: int) -> list[dict[str, object]]:
    """What was received, newest first; `copy` counts the copies of one message for one receiver, this one included."""
    rows = store.rows(
        "SELECT h.id, h.name, h.webhook_id, h.kind, h.number, h.state, h.body, h.at, (SELECT count(*) FROM received_hooks o"
        " WHERE o.name = h.name AND o.webhook_id = h.webhook_id AND o.state = h.state AND o.id <= h.id) AS copy"
        " FROM received_hooks h ORDER BY h.id DESC LIMIT ?",
        limit,
    )
    return [{**dict(row), "at": iso(row["at"])} for row in rows]
