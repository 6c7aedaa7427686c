"""Mail settings from one URL: smtp://user:password@host:port, smtp+tls:// (STARTTLS), smtps:// or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def mail_settings(address: str, *, folder: Path) -> dict[str, Any]:
    """Return Django's settings for this URL; an empty one writes mail into files below `folder`.

    User and password may be percent-encoded. Raises ValueError for anything that is no such address.
    """
    if not address:
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": str(folder),
        }
    parts = urlsplit(address)
    if parts.scheme not in _PORTS:
        raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in _PORTS)}")
    if not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("must be scheme://user:password@host:port")
    return {
        "EMAIL_BACKEND": "ordersite.lib.outgoing.mail.BoundEmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or _PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }
