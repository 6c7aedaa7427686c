"""Simulates a cloud warehouse that is sent its instructions as Standard Webhooks, signed with the sandbox's secret.

It works on an instruction once, however often it is sent, and says so by 200. What it does not send is answered with 409
and a code. Under the fault `silent` it takes an instruction and never sends the goods, until it is reminded.
"""

import json
from collections.abc import Mapping

from sandbox.carrier import counts
from sandbox.formats import now
from sandbox.fulfilment import instructions
from sandbox.fulfilment.instructions import Taking
from sandbox.keys.signing import webhook_verify
from sandbox.trouble import troubled
from sandbox.web import Request, Response, json_response
from sandbox.world import World

PATH, TARGET = "/cloud/push", "cloud.push"
CREATED, CANCELLED = "dispatch.created", "dispatch.cancelled"


def handle_push(world: World, request: Request) -> Response:
    """`POST /cloud/push`. Raises HangUp under faults."""
    return troubled(world, target=TARGET, work=lambda active: _answer(world, request, active))


def _answer(world: World, request: Request, active: Mapping[str, float]) -> Response:
    secret = world.keys.webhook
    if not webhook_verify(secret, headers=request.headers, body=request.body, now=now()):
        counts.count(world.store, "cloud.rejected")
        return json_response({"code": "bad_signature", "message": "签名或时间不正确"}, status=401)
    message = json.loads(request.body)
    kind, row = str(message["type"]), message["data"]
    if kind not in (CREATED, CANCELLED):
        return json_response({"code": "unknown_type", "message": kind}, status=400)
    counts.count(world.store, kind)
    with world.store.transaction():
        instructions.note_message(world.store, request.headers["webhook-id"], row, kind)
        return _cancel(world, row) if kind == CANCELLED else _take(world, row, active)


def _take(world: World, row: Mapping[str, object], active: Mapping[str, float]) -> Response:
    """Work on a new instruction. A known one is answered as before, but for a silent one, which wakes up."""
    store = world.store
    refusal = next((code for code in instructions.REFUSALS if code in active), "")
    state = "refused" if refusal else "silent" if "silent" in active else "taken"
    seconds = store.tuned("ship_seconds", world.settings.ship_seconds)
    instructions.take(store, row, Taking("push", state, seconds, refusal))
    found = instructions.find(store, int(str(row["id"])))
    if found is not None and found["state"] == "refused":
        code = found["message"]
        return json_response({"code": code, "message": instructions.REFUSALS[code]}, status=409)
    return json_response({"ok": True})


def _cancel(world: World, row: Mapping[str, object]) -> Response:
    """Keep the goods. What has left already cannot be kept; an instruction that never came is known as cancelled."""
    store, instruction_id = world.store, int(str(row["id"]))
    found = instructions.find(store, instruction_id)
    if found is None:
        instructions.take(store, row, Taking("push", "cancelled"))
        store.rows("UPDATE instructions SET received = 0 WHERE id = ?", instruction_id)
    elif found["state"] != "shipped":
        instructions.set_state(store, instruction_id, "cancelled")
    return json_response({"ok": True})
