"""`rotate_keys`: seal stored secrets again with the first key of FIELD_ENCRYPTION_KEYS; exit 1 when one cannot be read."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from ordersite.installation.rotate_keys import rotate_keys


class Command(BaseCommand):
    help = (
        "Seals account secrets, people's second steps and raw calls again with the first key of FIELD_ENCRYPTION_KEYS. "
        "Run it once all processes have the new key; then the old one may go. Exit 1 when something cannot be read."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        failed = False
        for done in rotate_keys():
            self.stdout.write(f"{done.table}: {done.resealed} sealed again")
            for key_id, number in sorted(done.unreadable.items()):
                failed = True
                self.stderr.write(f"{done.table}: {number} cannot be read (key {key_id})")
        if failed:
            sys.exit(1)
