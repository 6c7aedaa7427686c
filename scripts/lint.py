"""`make lint`: style, types, missing migrations and translations, security. Runs all, then says which failed."""

from __future__ import annotations

import os
import subprocess
import sys

from scripts import env_file

PYTHON = sys.executable
CHECKS = {
    "style": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "types": [PYTHON, "-m", "mypy"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "translations": [PYTHON, "-m", "scripts.translations"],
    "code (bandit)": [PYTHON, "-m", "scripts.security", "code"],
    "secrets in the history": [PYTHON, "-m", "scripts.security", "secrets"],
    "packages (pip-audit)": [PYTHON, "-m", "scripts.security", "packages"],
}


def main() -> int:
    env_file.ensure()
    os.chdir(env_file.ROOT)
    os.environ["DATABASE_URL"] = "sqlite://:memory:"  # no check may touch anybody's data
    failed = []
    for name, command in CHECKS.items():
        print(f"-- {name}", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    print(f"lint failed: {', '.join(failed)}" if failed else "lint: all good")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
