"""Import failed webhook calls from the proxy's access log."""

from __future__ import annotations

import json
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.utils import timezone

from payments.notifications.access_log import Read, forget_old, read_log

PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Reads a JSON access log (deploy/nginx.conf) and keeps the calls to /notify/ that ended with 3xx, 4xx, 499 or 5xx. "
        "May be run again and again: it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--follow", action="store_true", help="stay, and read what is added, until it is stopped"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *_args: Any, **options: Any) -> None:
        done = Read()
        if options["follow"]:
            self._follow(options["file"], done)
        else:
            self._read(options["file"], done)
            forget_old(timezone.now())
        numbers = done.as_dict()
        text = ", ".join(f"{name}: {value}" for name, value in numbers.items())
        self.stdout.write(json.dumps(numbers) if options["json"] else text)

    def _read(self, path: Path, done: Read) -> int:
        try:
            return read_log(path, done)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error

    def _follow(self, path: Path, done: Read) -> None:
        """Read on until Ctrl-C or SIGTERM. Without a file (no call yet, a rotation under way) it waits for one.

        A file that may not be read ends it: whoever starts it has to mend that.
        """
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        forgotten_on = None
        try:
            while True:
                try:
                    read = self._read(path, done) if path.exists() else 0
                    if forgotten_on != timezone.localdate():
                        forget_old(timezone.now())
                        forgotten_on = timezone.localdate()
                except DatabaseError as error:
                    self.stderr.write(f"not stored, will be read again: {error.__class__.__name__}")
                    close_old_connections()
                    read = 0
                if not read:
                    time.sleep(PAUSE_SECONDS)
        except KeyboardInterrupt:
            return
