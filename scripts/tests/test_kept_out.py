"""No secret falls into a commit or an image, and what does fall into the image is enough."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from scripts import env_file
from scripts.messages import compile_catalogues

ROOT = env_file.ROOT
SECRETS = (
    ".env", ".env.bak", ".env.production", "alipay.json", "wechatpay.json", "dump.sql", "backup.dump", "private.pem",
    "apiclient_key.pem", "tls.key", "acp_prod_sign.pfx", "apiclient_cert.p12", "var/ordersite.sqlite3",
)  # fmt: skip


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in done.stdout.split("\0") if name]


def is_in_image(name: str) -> bool:
    """Whether `.dockerignore` lets a file through: the last pattern that matches it or a folder above it counts."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    path, is_in = PurePosixPath(name), True
    for pattern in (line for line in lines if line and not line.startswith("#")):
        wanted = pattern.removeprefix("!")
        if any(_matches(one, wanted) for one in (path, *path.parents)):
            is_in = pattern.startswith("!")
    return is_in


def _matches(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return path.match(pattern.removeprefix("**/"))
    return len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern)


@pytest.mark.parametrize("name", SECRETS)
def test_secret_is_neither_committed_nor_copied(name: str) -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0
    assert (ignored, is_in_image(name)) == (True, False)


def test_nothing_of_ours_is_ignored_by_git() -> None:
    done = subprocess.run(
        ["git", "ls-files", "-ci", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_image_holds_what_it_needs(tmp_path: Path) -> None:
    """Given the files of the image alone, the translations compile and the product's checks pass."""
    names = [name for name in tracked() if is_in_image(name)]
    assert not [name for name in names if "/tests/" in name or name.startswith(("sandbox/", "benchmarks/"))]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    compile_catalogues(tmp_path)
    kept = {name: value for name, value in os.environ.items() if name not in env_file.names()}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--fail-level", "ERROR"],
        cwd=tmp_path, env={**kept, **env_file.new_values(), "VAR_DIR": str(tmp_path / "var")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
