"""The webhook provider's notifications: signed JSON in the Standard Webhooks form, until a 2xx response."""

import json
import random
import secrets
from collections.abc import Mapping

from sandbox.formats import iso, now, yuan
from sandbox.keys.signing import spoil, webhook_signature
from sandbox.outgoing import Call, CallReply
from sandbox.trading import deliveries
from sandbox.trading.deliveries import Delivery, NewDelivery
from sandbox.trading.refunds import Refund
from sandbox.trading.trades import Trade
from sandbox.world import World

TARGET = "webhook.notify"
# Waits after the failed try of this number; the first try is made at once.
GAPS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


def announce_payment(world: World, trade: Trade) -> None:
    """Queue the notification of a payment."""
    _queue(world, trade, kind="payment.succeeded", data=_data(trade))


def announce_closing(world: World, trade: Trade) -> None:
    """Queue the notification of an unpaid closing."""
    _queue(world, trade, kind="payment.closed", data=_data(trade))


def announce_refund(world: World, trade: Trade, refund: Refund) -> None:
    """Queue the notification of a refund; `amount` is that of this refund alone."""
    data = {**_data(trade), "amount": yuan(refund.fen), "refund_reference": refund.reference}
    _queue(world, trade, kind="refund.succeeded", data=data)


def _data(trade: Trade) -> dict[str, object]:
    return {
        "reference": trade.reference,
        "provider_reference": trade.provider_reference,
        "amount": yuan(trade.fen),
        "currency": trade.currency,
        "paid_at": None if trade.paid_at is None else iso(trade.paid_at),
    }


def _queue(world: World, trade: Trade, *, kind: str, data: Mapping[str, object]) -> None:
    message = {"type": kind, "timestamp": iso(now()), "data": data}
    payload = {"message": json.dumps(message, ensure_ascii=False, separators=(",", ":"))}
    deliveries.enqueue(
        world.store, NewDelivery(TARGET, trade.id, kind, new_message_id(), trade.notify_url, payload)
    )


class WebhookForm:
    """Composes the webhook provider's notification and reads the merchant's response."""

    def __init__(self, world: World) -> None:
        self._world = world

    def compose(self, delivery: Delivery, active: Mapping[str, float]) -> Call:
        """Compose one try: id and body are the same in all tries, timestamp and signature are new."""
        body = delivery.payload["message"].encode()
        if "wrong_amount" in active:
            message = json.loads(body)
            message["data"]["amount"] = yuan(round(active["wrong_amount"] * 100))
            body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        headers = signed_headers(self._world, message_id=delivery.event_id, body=body, active=active)
        headers = {**headers, "Content-Type": "application/json", "User-Agent": "sandbox-webhooks/1.0"}
        return Call("POST", delivery.url, body, headers, timeout=15.0)

    def accepted(self, answer: CallReply) -> bool:
        """Any 2xx."""
        return 200 <= answer.status < 300

    def gap(self, attempt: int, answer: CallReply) -> float | None:
        """Seconds until the next try with up to 10 % jitter, twice as long when the merchant asks to slow down.

        None after the last try and after 410: the address no longer exists.
        """
        if answer.status == 410 or attempt > len(GAPS):
            return None
        slower = 2 if answer.status in (429, 502, 504) else 1
        return GAPS[attempt - 1] * slower * random.uniform(1.0, 1.1)


def signed_headers(
    world: World, *, message_id: str, body: bytes, active: Mapping[str, float]
) -> dict[str, str]:
    """The three headers over this body, signed now; used for answers too."""
    moment = int(now())
    sign = webhook_signature(world.keys.webhook, message_id=message_id, timestamp=moment, body=body)
    sign = spoil(sign) if "corrupt_signature" in active else sign
    return {"webhook-id": message_id, "webhook-timestamp": str(moment), "webhook-signature": sign}


def new_message_id() -> str:
    """A fresh `webhook-id`."""
    return "msg_" + secrets.token_hex(12)
