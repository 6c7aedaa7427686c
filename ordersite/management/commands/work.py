"""`work`: drainers, relay, closer, pollers and sealer in one process, on its own clock, with no broker at all."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from logistics.tracking.poll import poll_tracking
from logistics.tracking.stalled import find_stalled
from orders.approvals.mail import send_staff_mail
from orders.closing import close_overdue
from orders.history.seals import seal_history
from ordersite.health.alert_mail import tend_alerts
from ordersite.queue.loops import Loop, run_for_ever
from ordersite.relay import run_relay
from payments.lifecycle.closing import finish_closing
from payments.notifications.apply import drain_notifications
from payments.notifications.retention import tend_raw_calls
from payments.polling.poll import poll_providers
from payments.reconciliation.fetch import fetch_bills
from payments.reconciliation.importing import import_statements
from payments.reconciliation.settle import settle_statements
from payments.refunds.execute import order_refunds


class Command(BaseCommand):
    help = "Does the work of the queues by the clock until it is stopped (SIGTERM or Ctrl-C)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drainers", type=int, default=1, help="threads that apply notifications")

    def handle(self, *_args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        drainers = [Loop(f"drain-{n}", drain_notifications, 0.2) for n in range(options["drainers"])]
        run_for_ever(
            [
                *drainers,
                Loop("relay", run_relay, 0.5),
                Loop("ask", poll_providers, 1),
                Loop("close", close_overdue, 10),
                Loop("finish closing", finish_closing, 60),
                Loop("refund", order_refunds, 1),
                Loop("statements", import_statements, 2),
                Loop("settle", settle_statements, 5),
                Loop("bills", fetch_bills, 300),
                Loop("mail", send_staff_mail, 2),
                Loop("track", poll_tracking, 10),
                Loop("seal", seal_history, 5),
                Loop("silence", find_stalled, 900),
                Loop("alerts", tend_alerts, 15),
                Loop("raw calls", tend_raw_calls, 300),
            ],
            stop=stop,
        )
