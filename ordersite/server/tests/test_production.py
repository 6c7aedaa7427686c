"""A start in production refuses what fits the demonstration, or a developer's own machine, alone."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ordersite.lib import env
from ordersite.server.production import is_this_machine, refuse_debug, refuse_weak_keys
from scripts.env_file import ROOT, names, new_values

GOOD = new_values()


def run(folder: Path, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the settings of a production installation, some of them changed."""
    empty = dict.fromkeys(names(), "")
    production = {
        "PUBLIC_BASE_URL": "https://shop.example.com",
        "DEMO": "false",
        "VAR_DIR": str(folder / "var"),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **empty, **GOOD, **production, **changed},
        capture_output=True,
        text=True,
        check=False,
    )


def key(raw: bytes) -> str:
    return f"k1:{base64.b64encode(raw).decode()}"


def test_deploy_check_is_clean(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "DEBUG")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("System check identified no issues")


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"DEBUG": "true"}, "DEBUG"),
        ({"DEBUG": "true", "DEMO": "true", "PUBLIC_BASE_URL": "http://192.168.1.5"}, "DEBUG"),
        ({"DEBUG": "true", "PUBLIC_BASE_URL": "", "ALLOWED_HOSTS": "*"}, "DEBUG"),
        ({"SECRET_KEY": "x" * 49}, "SECRET_KEY"),
        ({"SECRET_KEY": "short", "DEMO": "true"}, "SECRET_KEY"),
        ({"FIELD_ENCRYPTION_KEYS": key(bytes(32))}, "FIELD_ENCRYPTION_KEYS"),
        ({"FIELD_ENCRYPTION_KEYS": key(bytes(32)), "PUBLIC_BASE_URL": ""}, "FIELD_ENCRYPTION_KEYS"),
    ],
)
def test_start_names_the_unsafe_setting(tmp_path: Path, changed: dict[str, str], name: str) -> None:
    done = run(tmp_path, "-c", "import ordersite.settings", **changed)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ordersite cannot start: {name} must ")


def test_demonstration_here_is_let_be(tmp_path: Path) -> None:
    code = "from ordersite import settings as s; print(s.DEBUG, s.DEMO_SHOP)"
    weak = {
        "SECRET_KEY": "x",
        "FIELD_ENCRYPTION_KEYS": key(bytes(32)),
        "PUBLIC_BASE_URL": "http://localhost:8000",
    }
    assert run(tmp_path, "-c", code, DEBUG="true", **weak).stdout == "True False\n"
    assert run(tmp_path, "-c", code, DEMO="", **weak).stdout == "False True\n"


@pytest.mark.parametrize(
    "raw",
    [
        bytes(32),
        b"\xff" * 32,
        b"ab" * 16,
        bytes(range(32)),
        b"correct horse battery staple!!!!",
        pytest.param(os.urandom(16) * 2, id="16 bytes twice"),
    ],
)
def test_key_that_can_be_guessed_is_refused(raw: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(env.BadEnvironment):
        refuse_weak_keys(GOOD["SECRET_KEY"], key(raw))
    assert base64.b64encode(raw).decode() not in capsys.readouterr().err
    # Behind a good one it still decrypts, so that it can be replaced.
    refuse_weak_keys(GOOD["SECRET_KEY"], f"{GOOD['FIELD_ENCRYPTION_KEYS']},{key(raw)}")


@pytest.mark.parametrize("secret", ["x" * 49, "x" * 60, "abcd" * 20, "django-insecure-" + "k3Jx9_" * 10])
def test_secret_that_can_be_guessed_is_refused(secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(env.BadEnvironment):
        refuse_weak_keys(secret, GOOD["FIELD_ENCRYPTION_KEYS"])
    assert secret not in capsys.readouterr().err


def test_random_keys_are_never_refused() -> None:
    for _ in range(2000):
        refuse_weak_keys(GOOD["SECRET_KEY"], key(os.urandom(32)))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("shop.localhost", True), ("127.0.0.1", True), ("127.8.0.1", True),
        ("[::1]", True), ("0.0.0.0", False), ("10.0.0.5", False), ("shop.example.com", False),
        ("localhost.example.com", False), ("*", False), (".localhost.example", False), ("[::]", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, here: bool) -> None:
    assert is_this_machine(host) is here
    if not here:
        with pytest.raises(env.BadEnvironment):
            refuse_debug(["localhost", host])
