"""Serializes cached values as JSON. Django's default is pickle, whose loading runs what the cache's server holds."""

from __future__ import annotations

import json


class JsonSerializer:
    """Django's serializer interface. Integers are plain digits, so that the server can increment them."""

    def dumps(self, value: object) -> bytes:
        """Raises TypeError for what JSON cannot express."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> object:
        """Return the value; None, a miss, for anything but JSON, such as the pickle of an older version."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return None
