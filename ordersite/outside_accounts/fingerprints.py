"""Fingerprints of an account's keys: they distinguish two keys and reveal neither."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings

# Enough to distinguish keys by eye, too little to search for.
_LENGTH = 16


def fingerprint(secret: Any) -> str:
    """The first 16 hexadecimal digits of an HMAC-SHA-256, keyed by the site's SECRET_KEY; empty for no key.

    A plain hash of a short password could be guessed from the audit.
    """
    if secret in (None, "", [], {}):
        return ""
    text = secret if isinstance(secret, str) else json.dumps(secret, sort_keys=True, ensure_ascii=False)
    key = f"account key fingerprint {settings.SECRET_KEY}".encode()
    return hmac.new(key, text.strip().encode(), hashlib.sha256).hexdigest()[:_LENGTH]


def described(config: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, str]:
    """What may be shown of an account, by the name of its key: settings as they are, secrets as fingerprints.

    Keys that are kept by serial number (`platform_keys`) are named one by one.
    """
    shown = {name: str(value) for name, value in config.items()}
    for name, value in secrets.items():
        if isinstance(value, dict):
            shown |= {f"{name}.{serial}": fingerprint(key) for serial, key in value.items()}
        else:
            shown[name] = fingerprint(value)
    return dict(sorted(shown.items()))
