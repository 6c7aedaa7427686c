"""Watches the store of fingerprints: while it does not answer, orders come in and only the database refuses twins."""

from __future__ import annotations

import redis

from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert
from ordersite.server.quick_cache import is_in_redis, quick_client

SUBJECT = "redis"


def watch_store() -> None:
    """Raise an alert while Redis does not answer; heal it once it does. The database needs no watching."""
    try:
        if is_in_redis():
            quick_client().ping()
    except redis.RedisError as error:
        raise_alert(Alert.Kind.DUPLICATES_UNWATCHED, SUBJECT, error.__class__.__name__)
        return
    heal_alert(Alert.Kind.DUPLICATES_UNWATCHED, SUBJECT)
