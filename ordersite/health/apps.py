from typing import Any

from celery import current_app, signals
from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from ordersite.database import server_defaults


class HealthConfig(AppConfig):
    name = "ordersite.health"
    label = "health"
    verbose_name = _("Machine room")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        signals.task_success.connect(record_success)
        signals.worker_init.connect(refuse_missing_time_limits)
        signals.worker_process_init.connect(self.watch_clock)
        signals.beat_init.connect(self.watch_clock)

    def watch_clock(self, **_signal: Any) -> None:
        """Set this process's clock by the database's, again and again; for processes that serve or work."""
        from ordersite.queue.clock_watch import watch  # models cannot be imported earlier

        watch.start()


def refuse_missing_time_limits(**_signal: Any) -> None:
    server_defaults.refuse_missing()


def record_success(sender: Any = None, **_signal: Any) -> None:
    """Record the good ends of what runs by the clock, and that this kind of worker works."""
    from ordersite.health import heartbeat  # models cannot be imported earlier

    if not sender.request.is_eager:
        queue = (sender.request.delivery_info or {}).get("routing_key")
        heartbeat.record_process("outside" if queue == "outside" else "worker")
    if sender.name in current_app.conf.beat_schedule:
        heartbeat.record(sender.name)
