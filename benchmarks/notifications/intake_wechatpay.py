"""B1w: B1 with WeChat Pay's notifications: signature over headers and body, content to be decrypted."""

from __future__ import annotations

import base64
import json
import secrets
import time

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.harness.base import Context, Result
from benchmarks.harness.load import raw_request
from benchmarks.notifications import intake
from benchmarks.rows.backlog import make_account

CONFIG = {
    "mchid": "1900000001",
    "appid": "wx0000000000000001",
    "gateway_url": "https://example.com",
    "merchant_serial": "3775B6A45ACD588826D15E583A95F5DD0AAAAAAA",
}
API_V3_KEY = "0123456789abcdefghijklmnopqrstuv"
KEY_ID = "PUB_KEY_ID_0119000000012026112200000000000001"
PATH = "/notify/wechatpay/bench/"


def run(context: Context) -> list[Result]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kept = {"api_v3_key": API_V3_KEY, "platform_keys": {KEY_ID: intake.pem(key)}}
    account = make_account(provider="wechatpay", config=CONFIG, secrets_json=json.dumps(kept))
    plain = {"id": account.pk, "config": CONFIG, "key": intake.pem(key), "api_v3_key": API_V3_KEY}
    return intake.compare(context, intake.Channel("B1w", lambda: _request(key), plain))


def _request(key: rsa.RSAPrivateKey) -> bytes:
    """Return a genuine payment notification with all fields of a real one, signed now."""
    body, timestamp, nonce = _body(), str(int(time.time())), secrets.token_hex(16)
    signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    headers = {
        "Content-Type": "application/json",
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(key.sign(signed, PKCS1v15(), SHA256())).decode(),
        "Wechatpay-Serial": KEY_ID,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }
    return raw_request(PATH, body, headers)


def _body() -> bytes:
    content = {
        "mchid": CONFIG["mchid"], "appid": CONFIG["appid"], "out_trade_no": secrets.token_hex(12).upper(),
        "transaction_id": str(secrets.randbelow(10**28)), "trade_type": "NATIVE", "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功", "bank_type": "OTHERS", "attach": "",
        "success_time": "2026-11-22T14:02:09+08:00", "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {"total": 26640, "payer_total": 26640, "currency": "CNY", "payer_currency": "CNY"},
    }  # fmt: skip
    nonce = secrets.token_hex(6)
    text = json.dumps(content, ensure_ascii=False).encode()
    sealed = AESGCM(API_V3_KEY.encode()).encrypt(nonce.encode(), text, b"transaction")
    resource = {
        "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "associated_data": "transaction",
        "ciphertext": base64.b64encode(sealed).decode(), "nonce": nonce,
    }  # fmt: skip
    envelope = {
        "id": secrets.token_hex(16), "create_time": "2026-11-22T14:02:10+08:00", "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS", "summary": "支付成功", "resource": resource,
    }  # fmt: skip
    return json.dumps(envelope, ensure_ascii=False).encode()
