"""Celery tasks. Their names are fixed: wake-ups and the beat schedule use them."""

from __future__ import annotations

from celery import shared_task

from ordersite.messaging import retention
from ordersite.messaging.sending import send


@shared_task(name="messaging.send_messages")
def send_messages() -> None:
    send.send_messages()


@shared_task(name="messaging.forget_old_messages")
def forget_old_messages() -> None:
    retention.forget_old_messages()
