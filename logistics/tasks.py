"""Celery tasks. Their names are fixed: wake-ups and the beat schedule use them."""

from __future__ import annotations

from celery import shared_task

from logistics.carrier_calls import log
from logistics.dispatch.instructions import silence
from logistics.dispatch.webhooks import retention as retention_of_tries
from logistics.dispatch.webhooks import send
from logistics.pushes import apply, retention
from logistics.tracking import run, stalled
from logistics.waybills import missing, resolve


@shared_task(name="logistics.poll_tracking")
def poll_tracking() -> None:
    run.poll_tracking()


@shared_task(name="logistics.find_silent_parcels")
def find_stalled() -> None:
    stalled.find_stalled()


@shared_task(name="logistics.forget_old_calls")
def forget_old_calls() -> None:
    log.forget_old_calls()
    retention_of_tries.forget_old_tries()


@shared_task(name="logistics.resolve_waybills")
def resolve_waybills() -> None:
    resolve.resolve_waybills()


@shared_task(name="logistics.find_missing_numbers")
def find_missing_numbers() -> None:
    missing.find_missing_numbers()


@shared_task(name="logistics.apply_pushes")
def apply_pushes() -> None:
    apply.apply_pushes()


@shared_task(name="logistics.tend_pushes")
def tend_pushes() -> None:
    retention.tend_pushes()


@shared_task(name="logistics.push_dispatches")
def push_dispatches() -> None:
    send.push_dispatches()


@shared_task(name="logistics.find_silent_dispatches")
def find_silent_dispatches() -> None:
    silence.find_silent_dispatches()
