"""Compares the clock of each process with the database's, for as long as it runs, and says when they differ."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time

from django.db import DatabaseError, connection

from ordersite.database import clock
from ordersite.health.alerts import heal_alert, raise_alert
from ordersite.health.models import Alert

EVERY_SECONDS = 10.0
# An alert is counted again after so many comparisons that still find the difference.
_ALERT_EVERY = 6
SKEW_SECONDS = 2.0

logger = logging.getLogger(__name__)


class ClockWatch:
    """The comparisons of one process and what the last one found."""

    def __init__(self) -> None:
        self.skew = 0.0
        self._pid = 0
        self._skewed: int | None = None

    def start(self) -> None:
        """Compare at once, then in a thread of this process; a second call in the same process does nothing."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self.look()
        threading.Thread(target=self._look_for_ever, name="clock", daemon=True).start()

    def look(self) -> None:
        """Compare once. Without an answer of the database the process's clock runs on as it was set."""
        try:
            skew = clock.compare()
            if skew is not None:
                self.skew = skew
                self.tell()
        except DatabaseError as error:
            logger.warning("the clock was not compared: %s", error.__class__.__name__)
            connection.close_if_unusable_or_obsolete()

    def tell(self) -> None:
        """Raise or heal the alert of this host."""
        host = socket.gethostname()
        if abs(self.skew) <= SKEW_SECONDS:
            if self._skewed != 0:
                heal_alert(Alert.Kind.CLOCK_SKEW, host)
            self._skewed = 0
            return
        self._skewed = (self._skewed or 0) + 1
        if self._skewed % _ALERT_EVERY == 1:
            raise_alert(Alert.Kind.CLOCK_SKEW, host, f"{self.skew:+.1f} s")

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            try:
                self.look()
            except Exception:  # the edge: the thread must go on
                logger.exception("the clock was not compared")


watch = ClockWatch()
