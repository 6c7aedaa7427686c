"""Celery tasks. Their names are fixed: wake-ups and the beat schedule use them."""

from __future__ import annotations

from celery import shared_task

from ordersite.merchant_webhooks import retention, send


@shared_task(name="merchant_webhooks.send")
def send_webhooks() -> None:
    send.send_webhooks()


@shared_task(name="merchant_webhooks.forget_old")
def forget_old() -> None:
    retention.forget_old()
