"""Celery tasks. Their names are fixed: wake-ups and the beat schedule use them."""

from __future__ import annotations

from celery import shared_task

from orders import closing, tokens
from orders.history import seals, verify
from orders.intake import idempotency
from orders.monitoring import run
from orders.risk import intercepts, watch
from orders.risk.windows import in_database
from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert


@shared_task(name="orders.close_overdue")
def close_overdue() -> None:
    closing.close_overdue()


@shared_task(name="orders.seal_history")
def seal_history() -> None:
    seals.seal_history()


@shared_task(name="orders.write_anchor")
def write_anchor() -> None:
    seals.write_anchor()


@shared_task(name="orders.verify_history")
def verify_history() -> None:
    """Raises `Broken` with the first broken line, so that the task fails; operations get an alert."""
    try:
        verify.verify_history()
    except verify.Broken as broken:
        raise_alert(Alert.Kind.HISTORY_BROKEN, "history", str(broken))
        raise
    heal_alert(Alert.Kind.HISTORY_BROKEN, "history")


@shared_task(name="orders.forget_idempotency_keys")
def forget_idempotency_keys() -> None:
    idempotency.forget_idempotency_keys()


@shared_task(name="orders.watch_tokens")
def watch_tokens() -> None:
    tokens.watch_expiry()


@shared_task(name="orders.forget_intercepts")
def forget_intercepts() -> None:
    intercepts.forget_old()
    in_database.forget_expired()


@shared_task(name="orders.watch_fingerprints")
def watch_fingerprints() -> None:
    watch.watch_store()


@shared_task(name="orders.watch_orders")
def watch_orders() -> None:
    run.watch_orders()
