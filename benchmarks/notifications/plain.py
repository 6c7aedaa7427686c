"""A plain Django view without middleware that does the same work as the notify address: the yardstick of B1.

Parse the form, check the RSA signature, compare the account, store call and body with one statement, answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from functools import cache
from urllib.parse import parse_qsl

import django
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from ordersite.server.front import Front

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.notifications.plain_settings"

_INSERT = """
WITH n AS (
  INSERT INTO payments_paymentnotification (attempts, last_error, account_id, event_id, verdict, reject_code, kind,
    reference, provider_reference, amount, currency, refund_reference, full_refund, account_problem, provider_state,
    occurred_at, body_digest, remote_address, received_at, answered_ms, outcome, due_at)
  VALUES (0, '', %s, %s, 'verified', '', 'payment', %s, %s, %s, 'CNY', '', false, '', %s, %s, %s, %s, %s, 0, '', %s)
  ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO payments_notificationbody (notification_id, headers, body) SELECT id, %s::jsonb, %s FROM n
"""


@cache
def account() -> tuple[int, dict[str, str], RSAPublicKey]:
    """Return id, settings and key of the account from the environment: this view reads no table."""
    values = json.loads(os.environ["BENCH_ACCOUNT"])
    key = load_pem_public_key(values["key"].encode())
    assert isinstance(key, RSAPublicKey)
    return values["id"], values["config"], key


def notify(request: HttpRequest) -> HttpResponse:
    body, now = request.body, timezone.now()
    account_id, config, key = account()
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    signed = "&".join(f"{k}={fields[k]}" for k in sorted(fields) if k not in ("sign", "sign_type"))
    key.verify(base64.b64decode(fields["sign"], validate=True), signed.encode(), PKCS1v15(), SHA256())
    if fields["app_id"] != config["app_id"] or fields["seller_id"] != config["seller_id"]:
        return HttpResponse(b"fail", status=400)
    headers = {k: v for k, v in request.META.items() if k.startswith("HTTP_")}
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                account_id, fields["notify_id"], fields["out_trade_no"], fields["trade_no"],
                int(fields["total_amount"].replace(".", "")), fields["trade_status"],
                f"{fields['gmt_payment']}+08:00", hashlib.sha256(body).hexdigest(), request.META["REMOTE_ADDR"],
                now, now, json.dumps(headers), body,
            ],
        )  # fmt: skip
    return HttpResponse(b"success", content_type="text/plain")


@cache
def cipher() -> AESGCM:
    return AESGCM(json.loads(os.environ["BENCH_ACCOUNT"])["api_v3_key"].encode())


def notify_wechatpay(request: HttpRequest) -> HttpResponse:
    body, now = request.body, timezone.now()
    account_id, config, key = account()
    timestamp, nonce = request.headers["Wechatpay-Timestamp"], request.headers["Wechatpay-Nonce"]
    signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    signature = base64.b64decode(request.headers["Wechatpay-Signature"], validate=True)
    key.verify(signature, signed, PKCS1v15(), SHA256())
    if abs(now.timestamp() - int(timestamp)) >= 300:
        return HttpResponse(b"", status=400)
    envelope = json.loads(body)
    resource = envelope["resource"]
    sealed, extra = base64.b64decode(resource["ciphertext"]), resource["associated_data"].encode()
    content = json.loads(cipher().decrypt(resource["nonce"].encode(), sealed, extra))
    if content["appid"] != config["appid"] or content["mchid"] != config["mchid"]:
        return HttpResponse(b"", status=400)
    headers = {k: v for k, v in request.META.items() if k.startswith("HTTP_")}
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                account_id, envelope["id"], content["out_trade_no"], content["transaction_id"],
                content["amount"]["total"], content["trade_state"], content["success_time"],
                hashlib.sha256(body).hexdigest(), request.META["REMOTE_ADDR"], now, now, json.dumps(headers), body,
            ],
        )  # fmt: skip
    return HttpResponse(b"", status=204)


urlpatterns = [path("notify/alipay/bench/", notify), path("notify/wechatpay/bench/", notify_wechatpay)]

django.setup(set_prefix=False)
# Behind the same server and the same front as the product: what differs is the view.
front = Front(WSGIHandler(), threads=int(os.environ["WEB_THREADS"]), small_prefixes=("/notify/",))
