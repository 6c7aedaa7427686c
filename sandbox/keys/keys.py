"""The sandbox's own keys, and the one key that the merchant uploads.

Files in the folder: `alipay_private.pem` (secret) and `alipay_public.pem` are Alipay's pair, `webhook_secret`
is the shared secret of the webhook provider, `alipay_app_public.pem` is written by the merchant: what he would
upload in Alipay's console. WeChat Pay, UnionPay and Alipay's certificate mode have sets of their own
(`sandbox.issued`), made when they are first needed.
"""

import base64
import secrets
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.keys.issued import AlipayCertificates, UnionpayKeys, WechatKeys
from sandbox.keys.keyfiles import load_private, load_public, private_pem, public_pem, write

PRIVATE, PUBLIC, APP_PUBLIC = "alipay_private.pem", "alipay_public.pem", "alipay_app_public.pem"
WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 (the name of a file)


def make_keys(folder: Path) -> list[Path]:
    """Make what is missing and keep what is there; returns the files the merchant reads."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / PRIVATE).exists():
        write(folder / PRIVATE, private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    write(folder / PUBLIC, public_pem(load_private(folder / PRIVATE)), mode=0o644)
    if not (folder / WEBHOOK_SECRET).exists():
        write(folder / WEBHOOK_SECRET, b"whsec_" + base64.b64encode(secrets.token_bytes(32)) + b"\n")
    return [folder / PUBLIC, folder / WEBHOOK_SECRET]


class Keys:
    """Keys loaded once; the merchant's public key is read again whenever its file changes."""

    def __init__(self, folder: Path) -> None:
        make_keys(folder)
        self._folder = folder
        self.alipay = load_private(folder / PRIVATE)
        text = (folder / WEBHOOK_SECRET).read_text().strip()
        self.webhook = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        self._app_file = folder / APP_PUBLIC
        self._app: tuple[int, rsa.RSAPublicKey | None] = (0, None)

    def app_public(self) -> rsa.RSAPublicKey | None:
        """The merchant's public key; None until the merchant has uploaded a readable one."""
        try:
            stamp = self._app_file.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if stamp != self._app[0]:
            self._app = (stamp, load_public(self._app_file))
        return self._app[1]

    @cached_property
    def alipay_certificates(self) -> AlipayCertificates:
        """Alipay's certificate mode."""
        return AlipayCertificates.load(self._folder / "alipay_cert")

    @cached_property
    def wechat(self) -> WechatKeys:
        """WeChat Pay's platform, and its one merchant."""
        return WechatKeys.load(self._folder / "wechatpay")

    @cached_property
    def unionpay(self) -> UnionpayKeys:
        """UnionPay, and its one merchant."""
        return UnionpayKeys.load(self._folder / "unionpay")
