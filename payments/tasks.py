"""Celery tasks; each bears the name of the function that it calls. `manage.py work` calls the same functions."""

from __future__ import annotations

from celery import shared_task

from payments import closing, notifications, query


@shared_task(name="payments.drain_notifications")
def drain_notifications() -> None:
    notifications.drain_notifications()


@shared_task(name="payments.ask_providers")
def ask_providers() -> None:
    query.ask_providers()


@shared_task(name="payments.finish_closing")
def finish_closing() -> None:
    closing.finish_closing()
