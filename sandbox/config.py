"""Settings of the sandbox, read from the environment once at the start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class BadSetting(Exception):
    """An environment variable holds a value that cannot be used; the text names it."""


@dataclass(frozen=True)
class Settings:
    """Where the sandbox listens, and its speeds. Durations are in seconds; `public_host` is that of SANDBOX_URL."""

    host: str = "127.0.0.1"
    public_host: str = ""
    port: int = 8900
    smtp_port: int = 8925
    folder: Path = Path("var/sandbox")
    ordersite_url: str = "http://127.0.0.1:8000"
    app_id: str = "2021000000000001"
    seller_id: str = "2088000000000001"
    cert_app_id: str = "2021000000000002"
    cert_seller_id: str = "2088000000000002"
    mchid: str = "1900000001"
    appid: str = "wx0123456789abcdef"
    mer_id: str = "777290058110048"
    parcel_seconds: float = 60.0
    ship_seconds: float = 5.0
    erp_poll_seconds: float = 2.0
    notify_speed: float = 60.0

    @property
    def origin(self) -> str:
        """The sandbox's base URL, for the URLs that it returns."""
        return f"http://{self.host}:{self.port}"


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Build the settings from the environment.

    Raises BadSetting when a number is malformed or not positive.
    """
    port = environ.get("PORT", "8000")
    own_port = int(_number(environ, "SANDBOX_PORT", Settings.port))
    return Settings(
        host=environ.get("SANDBOX_HOST", Settings.host),
        public_host=urlsplit(environ.get("SANDBOX_URL", "")).hostname or "",
        port=own_port,
        smtp_port=int(_number(environ, "SANDBOX_SMTP_PORT", own_port + 25)),
        folder=Path(environ.get("SANDBOX_DIR") or Path(environ.get("VAR_DIR") or "var") / "sandbox"),
        ordersite_url=environ.get("ORDERSITE_URL", f"http://127.0.0.1:{port}").rstrip("/"),
        app_id=environ.get("SANDBOX_ALIPAY_APP_ID", Settings.app_id),
        seller_id=environ.get("SANDBOX_ALIPAY_SELLER_ID", Settings.seller_id),
        parcel_seconds=_number(environ, "SANDBOX_PARCEL_SECONDS", Settings.parcel_seconds),
        ship_seconds=_number(environ, "SANDBOX_SHIP_SECONDS", Settings.ship_seconds),
        erp_poll_seconds=_number(environ, "SANDBOX_ERP_POLL_SECONDS", Settings.erp_poll_seconds),
        notify_speed=_number(environ, "SANDBOX_NOTIFY_SPEED", Settings.notify_speed),
    )


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise BadSetting(f"{name} is not a number: {text!r}") from None
    if not 0 < value < 10_000_000:
        raise BadSetting(f"{name} must be greater than zero: {text!r}")
    return value
