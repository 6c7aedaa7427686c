"""A started sandbox for tests: its own process, its own folder, and the merchant's side of the talk."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from alipay import AliPay
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from standardwebhooks.webhooks import Webhook

from sandbox.accounts import account_of
from sandbox.config import Settings
from sandbox.tests.nobody import nobody

APP_ID, SELLER_ID = "2021000000000001", "2088000000000001"
ROOT = Path(__file__).parents[2]
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def text(self) -> str:
        return self.body.decode("gbk" if "gbk" in self.headers.get("content-type", "").lower() else "utf-8")


def call(method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(
            method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {}
        )
        response = connection.getresponse()
        return Reply(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
    finally:
        connection.close()


@dataclass(frozen=True)
class Running:
    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    app_key: rsa.RSAPrivateKey
    smtp_port: int = 0

    @property
    def state(self) -> Any:
        return call("GET", f"{self.url}/control/state").json

    def control(self, path: str, method: str = "POST", **body: object) -> Reply:
        headers = {"Content-Type": "application/json"}
        return call(method, f"{self.url}/control/{path}", body=json.dumps(body).encode(), headers=headers)

    def trade(self, reference: str) -> Any:
        return next(trade for trade in self.state["trades"] if trade["reference"] == reference)

    def deliveries(self, reference: str) -> Any:
        """Oldest first."""
        return [one for one in reversed(self.state["notifications"]) if one["reference"] == reference]

    def alipay_public_pem(self) -> bytes:
        return (self.folder / "alipay_public.pem").read_bytes()

    def merchant(self, key: rsa.RSAPrivateKey | None = None, *, app_id: str = APP_ID) -> Any:
        """The merchant's side by an independent program (python-alipay-sdk), which checks our signatures."""
        client = AliPay(
            appid=app_id,
            app_private_key_string=private_pem(key or self.app_key),
            alipay_public_key_string=self.alipay_public_pem().decode(),
            sign_type="RSA2",
        )
        client._gateway = f"{self.url}/alipay/gateway.do"
        return client

    def account(self, name: str) -> Any:
        """An account file (alipay_cert, wechatpay, unionpay, aliyun_sms …) as the merchant gets it."""
        port = int(self.url.rpartition(":")[2])
        return _account(name, Settings(folder=self.folder, port=port, smtp_port=self.smtp_port))

    def inbox(self, recipient: str = "", channel: str = "") -> Any:
        """What one person got, or everybody, newest first."""
        query = urlencode({"recipient": recipient, "channel": channel})
        return call("GET", f"{self.url}/control/messages?{query}").json["messages"]

    def webhook_secret(self) -> str:
        return (self.folder / "webhook_secret").read_text().strip()

    def webhook(self, name: str, body: Mapping[str, object]) -> Reply:
        """A call of the merchant's, signed by an independent program (standardwebhooks)."""
        return call(
            "POST", f"{self.url}/webhook/{name}", **signed(self.webhook_secret(), json.dumps(body).encode())
        )


@lru_cache
def _account(name: str, settings: Settings) -> Any:
    # Private keys are checked when they are loaded, which takes longer than a whole call.
    return account_of(name, settings)


def signed(secret: str, body: bytes, *, at: float | None = None) -> dict[str, Any]:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    headers = {
        "webhook-id": f"msg_{time.time_ns()}",
        "webhook-timestamp": str(int(moment.timestamp())),
        "content-type": "application/json",
    }
    headers["webhook-signature"] = Webhook(secret).sign(headers["webhook-id"], moment, body.decode())
    return {"body": body, "headers": headers}


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(folder: Path, **environ: str) -> Iterator[Running]:
    """A sandbox process on a free port that asks nobody for orders; retries and parcels are quick.

    `environ` says otherwise where a test needs it.
    """
    key, port, smtp_port = new_key(), free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alipay_app_public.pem").write_bytes(public_pem(key))
    defaults = {
        "SANDBOX_PORT": str(port), "SANDBOX_DIR": str(folder), "SANDBOX_SMTP_PORT": str(smtp_port),
        "SANDBOX_NOTIFY_SPEED": "1000", "SANDBOX_ERP_POLL_SECONDS": "0.1", "SANDBOX_SHIP_SECONDS": "0.3",
        "ORDERSITE_URL": nobody(),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox"], cwd=ROOT, env={**os.environ, **defaults, **environ}
    )
    running = Running(f"http://127.0.0.1:{port}", folder, process, key, smtp_port)
    try:
        wait_for(lambda: _answers(running))
        yield running
    finally:
        process.terminate()
        process.wait(timeout=10)


def _answers(running: Running) -> bool:
    assert running.process.poll() is None, "the sandbox has ended"
    try:
        return call("GET", f"{running.url}/healthz").status == 200
    except OSError:
        return False


def wait_for(probe: Callable[[], T], *, seconds: float = 15) -> T:
    """Poll until the answer is true; returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.03)
