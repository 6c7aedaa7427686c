"""Everything that runs by the clock, once: beat and `manage.py work` are both made from this table.

Imports nothing of ours: the settings read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A task that runs again and again. `seconds` lie between two starts by beat, or by `work` beside Celery.

    `alone` is the shorter rhythm of `work` where no broker wakes anybody; 0 where `seconds` is as good.
    """

    task: str
    seconds: float
    alone: float = 0

    def pause(self, *, is_standby: bool) -> float:
        return self.seconds if is_standby or not self.alone else self.alone


@dataclass(frozen=True, slots=True)
class Daily:
    """A task that runs once a day, at this time of the installation's zone."""

    task: str
    at: time

    def last_due(self, now: datetime) -> datetime:
        """The newest moment, not after `now` (aware, in the installation's zone), at which it was due."""
        due = now.replace(hour=self.at.hour, minute=self.at.minute, second=0, microsecond=0)
        return due if due <= now else due - timedelta(days=1)


RHYTHMS = (
    Rhythm("payments.drain_notifications", 3, alone=0.2),
    Rhythm("rails.run_relay", 3, alone=0.5),
    Rhythm("payments.ask_providers", 3, alone=1),
    Rhythm("payments.finish_closing", 60),
    Rhythm("payments.order_refunds", 3, alone=1),
    Rhythm("payments.import_statements", 10, alone=2),
    Rhythm("payments.settle_statements", 30, alone=5),
    Rhythm("payments.fetch_bills", 300),
    Rhythm("payments.raise_statement_cases", 300),
    Rhythm("payments.tend_raw_calls", 300),
    Rhythm("payments.send_staff_mail", 10, alone=2),
    Rhythm("orders.close_overdue", 15, alone=10),
    Rhythm("logistics.poll_tracking", 5),
    Rhythm("logistics.resolve_waybills", 5, alone=1),
    Rhythm("logistics.push_dispatches", 5, alone=1),
    Rhythm("messaging.send_messages", 5, alone=1),
    Rhythm("messaging.forget_old_messages", 3600),
    Rhythm("logistics.find_silent_dispatches", 60, alone=15),
    Rhythm("logistics.apply_pushes", 3, alone=0.5),
    Rhythm("logistics.tend_pushes", 60),
    Rhythm("orders.seal_history", 10, alone=5),
    Rhythm("logistics.find_silent_parcels", 900),
    Rhythm("logistics.forget_old_calls", 600),
    Rhythm("ordersite.tend_hold_reviews", 60, alone=15),
    Rhythm("ordersite.run_bulk_jobs", 3, alone=0.5),
    Rhythm("ordersite.forget_bulk_jobs", 3600),
    Rhythm("automation.run_actions", 3, alone=0.5),
    Rhythm("automation.run_scheduled", 60, alone=15),
    Rhythm("automation.run_dry_runs", 3, alone=0.5),
    Rhythm("automation.forget_old_runs", 3600),
    Rhythm("health.tend_alerts", 15),
    Rhythm("health.take_back_future_times", 60),
    Rhythm("orders.forget_idempotency_keys", 3600),
    Rhythm("orders.watch_tokens", 3600),
    Rhythm("orders.watch_fingerprints", 10),
    Rhythm("orders.forget_intercepts", 600),
    Rhythm("orders.watch_orders", 15),
    Rhythm("merchant_webhooks.send", 3, alone=1),
    Rhythm("merchant_webhooks.forget_old", 600),
    Rhythm("ordersite.clear_sessions", 3600),
)
DAILY = (
    Daily("orders.write_anchor", time(0, 5)),
    Daily("orders.verify_history", time(3, 30)),
    Daily("logistics.find_missing_numbers", time(4, 30)),
)
