"""Celery tasks. Their names are fixed; `manage.py work` calls the same functions."""

from __future__ import annotations

from celery import shared_task

from orders.approvals import mail
from payments.lifecycle import closing
from payments.notifications import apply, retention
from payments.polling import poll
from payments.reconciliation import fetch, importing, settle
from payments.refunds import execute


@shared_task(name="payments.drain_notifications")
def drain_notifications() -> None:
    apply.drain_notifications()


@shared_task(name="payments.ask_providers")
def poll_providers() -> None:
    poll.poll_providers()


@shared_task(name="payments.finish_closing")
def finish_closing() -> None:
    closing.finish_closing()


@shared_task(name="payments.order_refunds")
def order_refunds() -> None:
    execute.order_refunds()


@shared_task(name="payments.import_statements")
def import_statements() -> None:
    importing.import_statements()


@shared_task(name="payments.settle_statements")
def settle_statements() -> None:
    settle.settle_statements()


@shared_task(name="payments.raise_statement_cases")
def raise_statement_cases() -> None:
    settle.raise_overdue_cases()


@shared_task(name="payments.fetch_bills")
def fetch_bills() -> None:
    fetch.fetch_bills()


@shared_task(name="payments.tend_raw_calls")
def tend_raw_calls() -> None:
    retention.tend_raw_calls()


@shared_task(name="payments.send_staff_mail")
def send_staff_mail() -> None:
    mail.send_staff_mail()
