"""WeChat Pay's notifications: JSON with an encrypted resource, signed in the headers, until a 200 or 204.

`id` stays the same over all tries; ciphertext, timestamp and signature are those of the try.
"""

import base64
import json
import random
import secrets
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.formats import now, rfc3339
from sandbox.keys.signing import new_uuid
from sandbox.outgoing import Call, CallReply
from sandbox.trading import deliveries
from sandbox.trading.deliveries import Delivery, NewDelivery
from sandbox.trading.refunds import Refund
from sandbox.trading.trades import Trade
from sandbox.wechatpay.wire import Signer, certificate_signer, public_key_signer, signed_headers
from sandbox.world import World

TARGET = "wechatpay.notify"
GAPS = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
_STATUS = {"succeeded": "SUCCESS", "closed": "CLOSED", "abnormal": "ABNORMAL", "processing": "PROCESSING"}
_SUMMARY = {
    "TRANSACTION.SUCCESS": "支付成功",
    "REFUND.SUCCESS": "退款成功",
    "REFUND.CLOSED": "退款关闭",
    "REFUND.ABNORMAL": "退款异常",
}


def announce_payment(world: World, trade: Trade) -> None:
    """Queue the notification of a payment."""
    _queue(world, trade, url=trade.notify_url, kind="TRANSACTION.SUCCESS", content=transaction(trade))


def announce_refund(world: World, trade: Trade, refund: Refund) -> None:
    """Queue the notification of a refund's end: SUCCESS, CLOSED (failed) or ABNORMAL (stuck)."""
    status = refund_status(refund)
    content: dict[str, object] = {
        "mchid": trade.merchant,
        "out_trade_no": trade.reference,
        "transaction_id": trade.provider_reference,
        "out_refund_no": refund.reference,
        "refund_id": refund.provider_reference,
        "refund_status": status,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": trade.fen, "refund": refund.fen, "payer_total": trade.fen, "payer_refund": refund.fen,
        },
    }  # fmt: skip
    if status == "SUCCESS":
        content["success_time"] = rfc3339(refund.at)
    url = refund.extra.get("notify_url", "")
    _queue(world, trade, url=url, kind=f"REFUND.{status}", content=content)


def refund_status(refund: Refund) -> str:
    """WeChat Pay's name of a refund's state."""
    return _STATUS[refund.state]


def transaction(trade: Trade) -> dict[str, object]:
    """A paid trade as in notifications and query responses; amounts are integer fen."""
    content: dict[str, object] = {
        "appid": trade.extra["appid"],
        "mchid": trade.merchant,
        "out_trade_no": trade.reference,
        "transaction_id": trade.provider_reference,
        "trade_type": trade.extra["trade_type"],
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "attach": trade.extra.get("attach", ""),
        "success_time": rfc3339(trade.paid_at or 0),
        "payer": {"openid": trade.extra.get("openid", OPENID)},
        "amount": {
            "total": trade.fen, "payer_total": trade.fen, "currency": "CNY", "payer_currency": "CNY",
        },
    }  # fmt: skip
    return content


def _queue(world: World, trade: Trade, *, url: str, kind: str, content: Mapping[str, object]) -> None:
    """Queue a notification to `url`, if there is one: refunds may name an address of their own."""
    if not url:
        return
    payload = {
        "event_type": kind,
        "summary": _SUMMARY[kind],
        "original_type": "transaction" if kind.startswith("TRANSACTION") else "refund",
        "create_time": rfc3339(now()),
        "content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
    }
    deliveries.enqueue(world.store, NewDelivery(TARGET, trade.id, kind, new_uuid(), url, payload))


class WechatForm:
    """Composes WeChat Pay's notification and reads the merchant's response."""

    def __init__(self, world: World) -> None:
        self._world = world

    def compose(self, delivery: Delivery, active: Mapping[str, float]) -> Call:
        """Signed with the platform public key; during a migration from certificates with either at random."""
        payload = delivery.payload
        content = _forged_fields(json.loads(payload["content"]), active)
        plain = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        message = {
            "id": delivery.event_id,
            "create_time": payload["create_time"],
            "resource_type": "encrypt-resource",
            "event_type": payload["event_type"],
            "summary": payload["summary"],
            "resource": {
                "original_type": payload["original_type"],
                **self.encrypt(plain, payload["original_type"]),
            },
        }
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        headers = signed_headers(self._signer(active), body, active=active)
        if "no_signature_type" in active:
            del headers["Wechatpay-Signature-Type"]
        headers = {**headers, "Content-Type": "application/json", "User-Agent": "Mozilla/4.0"}
        return Call("POST", delivery.url, body, headers, timeout=5.0)

    def encrypt(self, plain: bytes, associated: str) -> dict[str, str]:
        """AEAD_AES_256_GCM with the merchant's APIv3 key; the tag is the end of the ciphertext."""
        nonce = secrets.token_hex(6)
        box = AESGCM(self._world.keys.wechat.api_v3_key)
        cipher = box.encrypt(nonce.encode(), plain, associated.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(cipher).decode(),
            "associated_data": associated,
            "nonce": nonce,
        }

    def _signer(self, active: Mapping[str, float]) -> Signer:
        by_key, by_certificate = public_key_signer(self._world), certificate_signer(self._world)
        if "migration" in active:
            return random.choice((by_key, by_certificate))
        if "unknown_serial" in active:
            return Signer(f"{secrets.randbits(160):040X}", by_certificate.key)
        return by_certificate if "certificate_serial" in active else by_key

    def accepted(self, answer: CallReply) -> bool:
        """HTTP 200 and 204 with any body."""
        return answer.status in (200, 204)

    def gap(self, attempt: int, answer: CallReply) -> float | None:
        """Seconds until the next try; None after the last, 24 h 4 min after the first."""
        return GAPS[attempt - 1] if attempt <= len(GAPS) else None


def _forged_fields(content: dict[str, object], active: Mapping[str, float]) -> dict[str, object]:
    """Return the content with wrong fields, which is then encrypted and signed properly."""
    amount = content["amount"]
    if "wrong_amount" in active and isinstance(amount, dict):
        content["amount"] = {**amount, "total": round(active["wrong_amount"] * 100)}
    if "wrong_mchid" in active:
        content["mchid"] = "1900009999"
    if "wrong_appid" in active and "appid" in content:
        content["appid"] = "wx0000000000009999"
    return content
