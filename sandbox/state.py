"""Describes the state of the sandbox, newest first and bounded, for `GET /control/state` and the control page."""

from sandbox.carrier import counts, kuaidi100_push, orders, parcels, sf_pushes
from sandbox.formats import iso, yuan
from sandbox.fulfilment import instructions
from sandbox.messaging import inbox
from sandbox.receiver import hooks
from sandbox.store import Store
from sandbox.world import World

LATEST, MOST_HOOKS = 50, 500


def describe_state(world: World) -> dict[str, list[dict[str, object]] | dict[str, object]]:
    """Trades, refunds, notifications with answers, parcels, waybills, faults, the warehouse, speeds. Times: ISO 8601."""
    store = world.store
    return {
        "trades": _trades(store),
        "refunds": _refunds(store),
        "notifications": _notifications(store),
        "parcels": _parcels(world),
        "waybills": orders.latest_orders(store, LATEST),
        "sf_pushes": sf_pushes.latest_pushes(store, LATEST),
        "carrier_calls": counts.describe_counts(store),
        "faults": [dict(row) for row in store.rows("SELECT * FROM faults ORDER BY id")],
        "warehouse": [
            dict(row) for row in store.rows("SELECT * FROM erp_orders ORDER BY serial DESC LIMIT ?", LATEST)
        ],
        "instructions": instructions.latest(store, LATEST),
        "messages": inbox.describe_messages(store)[:LATEST],
        "hooks": hooks.latest(store, MOST_HOOKS),
        "kuaidi100": kuaidi100_push.describe(store),
        "speed": describe_speed(world),
    }


def describe_speed(world: World) -> dict[str, object]:
    """Seconds of a journey and until shipping, the divisor of retry gaps; whether parcels get locked, whether the
    bill of a day can be fetched on that day already, and whether messages to one person are limited."""
    defaults = {
        name: getattr(world.settings, name) for name in ("parcel_seconds", "ship_seconds", "notify_speed")
    }
    speeds: dict[str, object] = {name: world.store.tuned(name, value) for name, value in defaults.items()}
    switches = {"parcel_lock": 1, "bill_today": 0, "message_limits": 1}
    return {**speeds, **{name: bool(world.store.tuned(name, value)) for name, value in switches.items()}}


def _trades(store: Store) -> list[dict[str, object]]:
    rows = store.rows("SELECT * FROM trades ORDER BY id DESC LIMIT ?", LATEST)
    return [
        {
            "provider": row["provider"],
            "reference": row["reference"],
            "provider_reference": row["provider_reference"],
            "amount": yuan(row["fen"]),
            "refunded": yuan(row["refunded_fen"]),
            "subject": row["subject"],
            "state": row["state"],
            "opened": row["opened_at"] is not None,
            "created_at": iso(row["created_at"]),
            "expires_at": iso(row["expires_at"]),
            "paid_at": None if row["paid_at"] is None else iso(row["paid_at"]),
        }
        for row in rows
    ]


def _refunds(store: Store) -> list[dict[str, object]]:
    rows = store.rows(
        "SELECT r.*, t.reference AS trade, t.provider AS provider FROM refunds r JOIN trades t"
        " ON t.id = r.trade_id ORDER BY r.id DESC LIMIT ?",
        LATEST,
    )
    return [
        {
            "provider": row["provider"],
            "reference": row["trade"],
            "refund_reference": row["reference"],
            "provider_reference": row["provider_reference"],
            "amount": yuan(row["fen"]),
            "state": row["state"],
            "at": iso(row["at"]),
        }
        for row in rows
    ]


def _notifications(store: Store) -> list[dict[str, object]]:
    rows = store.rows(
        "SELECT d.*, t.reference AS reference FROM deliveries d JOIN trades t ON t.id = d.trade_id"
        " ORDER BY d.id DESC LIMIT ?",
        LATEST,
    )
    return [
        {
            "id": row["id"],
            "target": row["target"],
            "kind": row["kind"],
            "reference": row["reference"],
            "event_id": row["event_id"],
            "url": row["url"],
            "state": row["state"],
            "held": row["held"],
            "due_at": iso(row["due_at"]),
            "attempts": _attempts(store, row["id"]),
        }
        for row in rows
    ]


def _attempts(store: Store, delivery_id: int) -> list[dict[str, object]]:
    rows = store.rows("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY id DESC LIMIT 60", delivery_id)
    return [
        {
            "number": row["number"],
            "at": iso(row["at"]),
            "status": row["status"],
            "answer": row["answer"],
            "duration_ms": row["duration_ms"],
            "faults": row["faults"].split(),
        }
        for row in reversed(rows)
    ]


def _parcels(world: World) -> list[dict[str, object]]:
    seconds = world.store.tuned("parcel_seconds", world.settings.parcel_seconds)
    rows = world.store.rows("SELECT number FROM parcels ORDER BY created_at DESC, number LIMIT ?", LATEST)
    moved = [parcels.move(world.store, row["number"], journey_seconds=seconds) for row in rows]
    return [
        {
            "number": parcel.number,
            "com": parcel.com,
            "source": parcel.source,
            "steps_done": len(parcel.times),
            "steps": len(parcel.route),
            "last": parcel.events[-1].step.text,
            "last_at": iso(parcel.times[-1]),
            "locked_until": iso(parcel.locked_until) if parcel.locked_until else None,
        }
        for parcel in moved
        if parcel is not None
    ]
