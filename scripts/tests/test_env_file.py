"""The `.env` that the first start writes."""

from __future__ import annotations

import ast
from pathlib import Path

from ordersite.lib.crypto import KeyRing
from scripts import env_file

CALLS = {"text", "flag", "integer", "decimal_number", "words", "checked"}


def test_private_and_accepted_by_the_settings(tmp_path: Path) -> None:
    path = tmp_path / ".env"

    assert env_file.ensure(path) is True

    values = dict(line.split("=", 1) for line in path.read_text().splitlines() if not line.startswith("#"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(values) == ["FIELD_ENCRYPTION_KEYS", "METRICS_TOKEN", "SECRET_KEY"]
    assert len(values["SECRET_KEY"]) >= 50
    ring = KeyRing.parse(values["FIELD_ENCRYPTION_KEYS"])
    assert ring.open(ring.seal("secret", bound_to="here"), bound_to="here") == "secret"


def test_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")

    assert env_file.ensure(path) is False
    assert path.read_text() == "SECRET_KEY=mine\n"


def test_two_files_share_no_key() -> None:
    first, second = env_file.new_values(), env_file.new_values()

    assert not set(first.values()) & set(second.values())


def test_example_explains_every_setting() -> None:
    tree = ast.parse((env_file.ROOT / "ordersite" / "settings.py").read_text(encoding="utf-8"))
    read = {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CALLS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and isinstance(node.args[0], ast.Constant)
    }

    assert "SECRET_KEY" in read
    assert sorted(read - set(env_file.names())) == []
