"""Celery tasks of the assembled product; each bears the name that wake-ups and the beat schedule use."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from ordersite import relay
from ordersite.admin.bulk_operations import OPERATIONS
from ordersite.automation.engine import execute, scheduled
from ordersite.automation.engine import retention as automation_retention
from ordersite.automation.past import run as dry_runs
from ordersite.bulk_jobs import retention, run
from ordersite.health import alert_mail, future_times
from ordersite.hold_desk import clock
from ordersite.people import throttle
from ordersite.queue import deploys


@shared_task(name="rails.run_relay")
def run_relay() -> None:
    relay.run_relay()


@shared_task(name="health.tend_alerts")
def tend_alerts() -> None:
    alert_mail.tend_alerts()


@shared_task(name="ordersite.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have expired, and old failures of log-ins."""
    call_command("clearsessions")
    throttle.forget_old()


@shared_task(name="health.take_back_future_times")
def take_back_future_times() -> None:
    future_times.take_back()
    deploys.forget_old()


@shared_task(name="ordersite.tend_hold_reviews")
def tend_hold_reviews() -> None:
    clock.tend_reviews()


@shared_task(name="ordersite.run_bulk_jobs")
def run_bulk_jobs() -> None:
    run.run_bulk_jobs(OPERATIONS)


@shared_task(name="ordersite.forget_bulk_jobs")
def forget_bulk_jobs() -> None:
    retention.forget_old_jobs()


@shared_task(name="automation.run_actions")
def run_actions() -> None:
    execute.run_actions()


@shared_task(name="automation.run_scheduled")
def run_scheduled() -> None:
    scheduled.run_scheduled()


@shared_task(name="automation.forget_old_runs")
def forget_old_runs() -> None:
    automation_retention.forget_old_runs()


@shared_task(name="automation.run_dry_runs")
def run_dry_runs() -> None:
    dry_runs.run_dry_runs()
