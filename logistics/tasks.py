"""Celery tasks. Their names are fixed: wake-ups and the beat schedule use them."""

from __future__ import annotations

from celery import shared_task

from logistics.tracking import run, stalled


@shared_task(name="logistics.poll_tracking")
def poll_tracking() -> None:
    run.poll_tracking()


@shared_task(name="logistics.find_silent_parcels")
def find_stalled() -> None:
    stalled.find_stalled()
