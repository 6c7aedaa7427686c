"""What a shop and Alipay send to a site: an order, and a genuinely signed notification of its payment."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}
NOTIFY = "/notify/alipay/demo-alipay/"


def provider_key(sandbox_dir: str) -> rsa.RSAPrivateKey:
    """The key with which the sandbox's Alipay signs."""
    pem = (Path(sandbox_dir) / "alipay_private.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def order_body(serial: int) -> dict[str, Any]:
    """A new buyer's order of one cup."""
    return {
        "buyer": {"id": f"b{serial}", "name": "王小明", "phone": f"138{serial:08d}"},
        "lines": [{"product_id": "cup", "name": "保温杯", "quantity": 1, "unit_price": "88.80"}],
        "address": {"province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "文三路 1 号"},
    }


def signed_form(key: rsa.RSAPrivateKey, reference: str, amount: str) -> bytes:
    """The body of a notification that the attempt was paid, with an id and a trade of its own."""
    fields = {
        "notify_time": "2026-11-22 12:00:00", "notify_type": "trade_status_sync", "notify_id": uuid.uuid4().hex,
        "app_id": "2021000000000001", "seller_id": "2088000000000001", "charset": "utf-8", "version": "1.0",
        "trade_no": f"20261122{uuid.uuid4().int % 10**20:020d}", "out_trade_no": reference,
        "trade_status": "TRADE_SUCCESS", "total_amount": amount, "gmt_payment": "2026-11-22 12:00:00",
    }  # fmt: skip
    signed = "&".join(f"{name}={fields[name]}" for name in sorted(fields)).encode()
    signature = base64.b64encode(key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode()
    return urlencode({**fields, "sign_type": "RSA2", "sign": signature}).encode()
