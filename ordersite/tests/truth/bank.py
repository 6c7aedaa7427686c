"""The provider's side of that world, over real HTTP in the documented webhook form. It shares no code with ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from werkzeug import Request, Response

SECRET = base64.b64encode(b"the secret of the bank, 32 bytes").decode()


@dataclass(slots=True)
class Trade:
    """What the bank knows of one reference. `paid` is what the buyer gave, whatever the price."""

    reference: str
    price: Decimal
    number: str
    paid: Decimal | None = None
    is_closed: bool = False
    refunds: dict[str, Decimal] = field(default_factory=dict)
    refunded_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def refunded(self) -> Decimal:
        return sum(self.refunds.values(), Decimal("0.00"))

    @property
    def status(self) -> str:
        if self.paid is not None:
            return "refunded" if self.refunded == self.paid else "succeeded"
        return "closed" if self.is_closed else "pending"


class Bank:
    """Takes money, gives it back, and keeps every notice that it owes: they are delivered when the test says so."""

    def __init__(self) -> None:
        self.trades: dict[str, Trade] = {}
        self.notifications: list[dict[str, object]] = []
        self.is_down = False
        self.loses_answers = False

    def answer(self, request: Request) -> Response:
        """One call of the shop. Down: nothing happens. Losing answers: it happens, and the shop does not hear of it."""
        if self.is_down:
            return Response("down", 503)
        fields = request.get_json()
        answer = getattr(self, f"_{request.path.rpartition('/')[2]}")(fields)
        if self.loses_answers:
            return Response("lost", 500)
        return Response(json.dumps(answer), content_type="application/json")

    def _pay(self, fields: dict[str, str]) -> dict[str, str]:
        reference = fields["reference"]
        if reference not in self.trades:
            self.trades[reference] = Trade(reference, Decimal(fields["amount"]), f"t{secrets.token_hex(8)}")
        return {"pay_url": f"http://127.0.0.1/pay/{reference}"}

    def _query(self, fields: dict[str, str]) -> dict[str, str]:
        trade = self.trades.get(fields["reference"])
        if trade is None:
            return {"reference": fields["reference"], "status": "not_found"}
        return {
            "reference": trade.reference,
            "status": trade.status,
            "provider_reference": trade.number if trade.paid is not None else "",
            "amount": str(trade.price if trade.paid is None else trade.paid),
            "currency": "CNY",
            "refunded_amount": str(trade.refunded),
        }

    def _close(self, fields: dict[str, str]) -> dict[str, str]:
        trade = self.trades.get(fields["reference"])
        if trade is not None and trade.paid is None:
            trade.is_closed = True
        return self._query(fields)

    def _refund(self, fields: dict[str, str]) -> dict[str, str]:
        trade, number = self.trades[fields["reference"]], fields["refund_reference"]
        amount = Decimal(fields["amount"])
        if number not in trade.refunds:
            if trade.paid is None or trade.refunded + amount > trade.paid:
                return {"status": "failed", "refund_reference": number, "amount": fields["amount"]}
            self._give_back(trade, number, amount)
        return {
            "status": "succeeded",
            "refund_reference": number,
            "amount": str(trade.refunds[number]),
        }

    def take(self, reference: str, amount: Decimal) -> None:
        """The buyer pays at the bank's own page, as long as the bank takes money for it."""
        trade = self.trades[reference]
        if trade.paid is None and not trade.is_closed:
            trade.paid = amount
            self._owe("payment.succeeded", trade, amount=str(amount))

    def take_late(self, reference: str) -> None:
        """The buyer had the page open: the money arrives although the bank had said «closed»."""
        trade = self.trades[reference]
        if trade.paid is None:
            trade.paid = trade.price
            self._owe("payment.succeeded", trade, amount=str(trade.paid))

    def give_back(self, reference: str, amount: Decimal) -> None:
        """A refund that nobody here requested, made in the bank's own console."""
        self._give_back(self.trades[reference], f"own-{secrets.token_hex(6)}", amount)

    def _give_back(self, trade: Trade, number: str, amount: Decimal) -> None:
        trade.refunds[number], trade.refunded_at[number] = amount, datetime.now(UTC)
        facts = {"refund_reference": number, "refunded_amount": str(trade.refunded)}
        self._owe("refund.succeeded", trade, amount=str(amount), **facts)

    def _owe(self, kind: str, trade: Trade, **facts: str) -> None:
        now = datetime.now(UTC).isoformat()
        data = {
            "reference": trade.reference,
            "provider_reference": trade.number,
            "currency": "CNY",
            "paid_at": now,
        }
        self.notifications.append(
            {"id": f"msg_{secrets.token_hex(8)}", "type": kind, "at": now, "data": {**data, **facts}}
        )


def signed(notification: dict[str, object], secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one delivery of a notification, signed now."""
    body = json.dumps(
        {"type": notification["type"], "timestamp": notification["at"], "data": notification["data"]}
    ).encode()
    stamp = str(int(time.time()))
    text = f"{notification['id']}.{stamp}.".encode() + body
    mac = base64.b64encode(hmac.new(base64.b64decode(secret), text, hashlib.sha256).digest()).decode()
    return body, {
        "webhook-id": str(notification["id"]),
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{mac}",
    }
