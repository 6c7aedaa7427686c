"""What stands in `.env` reaches the settings, and translations that are not compiled are reported."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core import checks

from ordersite.health.catalogues import check_catalogues
from ordersite.tests.site import ROOT
from ordersite.tests.test_architecture import OURS
from scripts import env_file
from scripts.messages import compile_catalogues

# Read by `make run` or compose.yaml only: nothing of it stands in the settings.
NOT_IN_SETTINGS = {
    "BIND",
    "PORT",
    "SANDBOX_PORT",
    "WEB_WORKERS",
    "WORKER_PROCESSES",
    "OUTSIDE_THREADS",
    "SERVERS_PASSWORD",
    "DATABASE_OWNER_PASSWORD",
}
PRINT = """
import json
from django.conf import settings
values = {name: str(getattr(settings, name)) for name in dir(settings) if name.isupper() and name != "UNFOLD"}
print(json.dumps(values))
"""


def unusual_values(folder: Path) -> dict[str, str]:
    """A value other than the default for every variable."""
    values = {
        **env_file.new_values(),
        "DEBUG": "true",
        "DEMO": "false",
        "ALLOWED_HOSTS": "localhost",
        "PUBLIC_BASE_URL": "http://127.0.0.1:8100",
        "DATABASE_URL": "postgres://app:x@127.0.0.1:5999/orders",
        "DATABASE_MIGRATION_URL": "postgres://owner:x@127.0.0.1:5999/orders",
        "DATABASE_PREPARED_STATEMENTS": "off",
        "DATABASE_REPLICA_URLS": "postgres://app:x@127.0.0.1:5998/orders",
        "REDIS_URL": "redis://127.0.0.1:6999/3",
        "CELERY_BROKER_URL": "amqp://guest:guest@127.0.0.1:5699//",
        "PAYMENT_TIMEOUT_MINUTES": "17",
        "TRACKING_POLL_HOURS": "3.5",
        "LANGUAGE_CODE": "en",
        "TIME_ZONE": "Asia/Urumqi",
        "PARCEL_SILENCE_DAYS": "4",
        "TRACKING_LINK_DAYS": "30",
        "HOLD_REVIEW_HOURS": "0.5",
        "INTERCEPT_LOG_DAYS": "60",
        "HISTORY_ANCHOR_DIR": str(folder / "anchors"),
        "VAR_DIR": str(folder / "elsewhere"),
        "PRIVATE_STORAGE": "django.core.files.storage.InMemoryStorage",
        "PRIVATE_STORAGE_OPTIONS": '{"location": "/in/memory"}',
        "TRUSTED_PROXIES": "10.1.0.0/16",
        "SERVES": "notify",
        "WEB_THREADS": "5",
        "EMAIL_URL": "smtp://mail.example:2525",
        "EMAIL_FROM": "shop@mail.example",
        "LOG_LEVEL": "ERROR",
        "LOG_FORMAT": "json",
        "SENTRY_DSN": "https://key@sentry.example/1",
        "RAW_CALL_DAYS": "90",
        "OUTGOING_ALLOWED_NETWORKS": "10.2.0.0/16",
        "STAFF_TOTP": "offered",
    }
    return {name: values[name] for name in env_file.names() if name not in NOT_IN_SETTINGS}


def checkout(folder: Path) -> Path:
    """The settings' own folder copied, everything else linked: `.env` is looked for beside it."""
    folder.mkdir()
    for entry in env_file.ROOT.iterdir():
        if entry.name == "ordersite":
            shutil.copytree(entry, folder / entry.name, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        elif entry.name == "manage.py":  # a linked one would import from where it lies
            shutil.copy(entry, folder)
        elif not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    return folder


def settings_of(place: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The settings of a process there that has these variables and no others of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in env_file.names()}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", PRINT],
        cwd=place, env={**kept, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_file_and_environment_give_the_same(tmp_path: Path) -> None:
    """Given every variable in the file, the settings are those of the same variables in the environment."""
    place, values = checkout(tmp_path / "checkout"), unusual_values(tmp_path)
    by_environment = settings_of(place, values)
    keys = env_file.new_values()
    plain = settings_of(place, keys)

    (place / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    by_file = settings_of(place, {})

    assert by_file == by_environment
    assert by_file["VAR_DIR"] == str(tmp_path / "elsewhere")
    assert Path(by_file["PRIVATE_DIR"]).parent == tmp_path / "elsewhere"
    taken = {value for value in by_file.values() if value not in plain.values()}
    assert len(taken) > 20


def test_uncompiled_catalogue_is_an_error(tmp_path: Path, settings: Any) -> None:
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    source = tmp_path / "locale/zh_Hans/LC_MESSAGES/django.po"
    source.parent.mkdir(parents=True)
    source.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8"\n')
    assert [(one.id, one.level) for one in check_catalogues()] == [("ordersite.E010", checks.ERROR)]

    compile_catalogues(tmp_path)
    assert check_catalogues() == []

    os.utime(source, (2**31, 2**31))
    assert [(one.id, one.level) for one in check_catalogues()] == [("ordersite.W010", checks.WARNING)]


READER = ROOT / "ordersite/lib/env.py"
# What a program needs before there are settings, and the sandbox, which shares no code with the rest.
NAMES_SETTINGS = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ordersite.settings")'
READS_FOR_ITSELF = {"sandbox/config.py"}


def product_files() -> list[Path]:
    files = [ROOT / "manage.py", *(path for top in OURS for path in (ROOT / top).rglob("*.py"))]
    return [path for path in files if not {"tests", "migrations"} & set(path.parts)]


def test_one_library_reads_the_environment() -> None:
    """Given every file of the product, only the reader touches the process's environment or imports its library."""
    found = []
    for path in product_files():
        text = path.read_text(encoding="utf-8").replace(NAMES_SETTINGS, "")
        touches = re.search(
            r"\bos\.(environb?|getenvb?)\b|from os import .*\b(environb?|getenvb?)\b|\bimport environ\b", text
        )
        if touches and path != READER:
            found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == READS_FOR_ITSELF


def test_every_variable_that_is_read_is_explained() -> None:
    """The sandbox's own address is what `make run` makes of the two ports."""
    names = {
        node.args[0].value
        for path in [*product_files(), ROOT / "scripts/start.py"]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.func.attr != "stop"
    }
    assert len(names) > 30
    assert names - set(env_file.names()) == {"SANDBOX_URL"}
