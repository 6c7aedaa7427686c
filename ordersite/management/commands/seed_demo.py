"""`seed_demo`: the demonstration shop, on the embedded database or on an empty one with DEMO=1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ordersite.demo.seed import Login, seed, write_private
from ordersite.lib import env
from ordersite.lib.errors import DomainError


class Command(BaseCommand):
    help = "Makes the demonstration shop; prints the log-ins that it made, and keeps them in var/demo-logins.txt."

    def handle(self, *_args: Any, **_options: Any) -> None:
        port = env.integer("SANDBOX_PORT", 8900, least=1)
        sandbox_url = env.text("SANDBOX_URL", f"http://127.0.0.1:{port}").rstrip("/")
        try:
            logins = seed(sandbox_url=sandbox_url, folder=Path(settings.VAR_DIR) / "sandbox")
        except DomainError as error:
            raise CommandError(error.message) from error
        except FileNotFoundError as error:
            raise CommandError(f"{error.filename} is missing: run `python -m sandbox keys` first") from error
        if logins:
            text = table(logins)
            add_logins(Path(settings.VAR_DIR) / "demo-logins.txt", logins)
            self.stdout.write(text)


def table(logins: list[Login]) -> str:
    """One line each, aligned."""
    return "\n".join(f"{login.role:<14} {login.username:<12} {login.password}" for login in logins) + "\n"


def add_logins(file: Path, logins: list[Login]) -> None:
    """Add log-ins to the file; those of an older demonstration stay, since their passwords stand nowhere else."""
    made = {login.username for login in logins}
    known = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    kept = [line for line in known if not made & set(line.split()[1:2])]
    write_private(file, "".join(kept) + table(logins))
