"""The outside's own keys, and the one key that the merchant hands in.

Files in the folder: `alipay_private.pem` (secret) and `alipay_public.pem` are Alipay's pair, `webhook_secret`
is the shared secret of the webhook provider, `alipay_app_public.pem` is written by the merchant: what he would
upload in Alipay's console.
"""

import base64
import os
import secrets
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PRIVATE, PUBLIC, APP_PUBLIC = "alipay_private.pem", "alipay_public.pem", "alipay_app_public.pem"
WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 (the name of a file)


def make_keys(folder: Path) -> list[Path]:
    """Make what is missing and keep what is there; returns the files the merchant reads."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / PRIVATE).exists():
        _write(folder / PRIVATE, _private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    _write(folder / PUBLIC, _public_pem(_load_private(folder / PRIVATE)), mode=0o644)
    if not (folder / WEBHOOK_SECRET).exists():
        _write(folder / WEBHOOK_SECRET, b"whsec_" + base64.b64encode(secrets.token_bytes(32)) + b"\n")
    return [folder / PUBLIC, folder / WEBHOOK_SECRET]


class Keys:
    """Keys loaded once; the merchant's public key is read again whenever its file changes."""

    def __init__(self, folder: Path) -> None:
        make_keys(folder)
        self.alipay = _load_private(folder / PRIVATE)
        text = (folder / WEBHOOK_SECRET).read_text().strip()
        self.webhook = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        self._app_file = folder / APP_PUBLIC
        self._app: tuple[int, rsa.RSAPublicKey | None] = (0, None)

    def app_public(self) -> rsa.RSAPublicKey | None:
        """The merchant's public key; None while the merchant has handed in none that can be read."""
        try:
            stamp = self._app_file.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if stamp != self._app[0]:
            self._app = (stamp, _load_public(self._app_file))
        return self._app[1]


def _load_private(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path} holds no RSA key")
    return key


def _load_public(path: Path) -> rsa.RSAPublicKey | None:
    """None for a file that is being written or holds something else."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, rsa.RSAPublicKey) else None


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace the file in one step, so that a reader never sees half a key."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=mode)
    beside.write_bytes(content)
    beside.replace(path)
