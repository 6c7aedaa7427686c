"""What `make lint` says of risky code and of secrets in the history."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from scripts.env_file import ROOT, new_values
from scripts.security import differences, reviewed, secrets_in


@pytest.mark.parametrize(
    "text",
    [
        "key = 'AKIA" + "ABCDEFGHIJKLMNOP'",
        "ghp_" + "a1B2" * 9,
        "MIIE" + "vQIBADANBgkq" * 30,
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "postgres://ordersite:" + "Tr0ub4dor-and-3@db/x",
        pytest.param(f"SECRET_KEY={new_values()['SECRET_KEY']}", id="secret key"),
        pytest.param(f"FIELD_ENCRYPTION_KEYS={new_values()['FIELD_ENCRYPTION_KEYS']}", id="encryption keys"),
    ],
)
def test_a_committed_secret_is_found(text: str) -> None:
    change = ["+++ b/settings.py\n", f"+{text}\n", f"-{text}\n", " and = 1\n"]
    assert [file for file, _found in secrets_in(change)] == ["settings.py"]


def test_ordinary_lines_are_no_secrets() -> None:
    change = [
        "+SECRET_KEY=\n", "+postgres://user:password@host:5432/name\n", "+SERVERS_PASSWORD:?\n",
        "+CPK_BASE64 = 'MIIB'\n", "+amqp://ordersite:${SERVERS_PASSWORD:?}@rabbitmq\n",
    ]  # fmt: skip
    assert list(secrets_in(change)) == []


def test_new_risks_and_gone_ones_are_named() -> None:
    assert differences(Counter({"a.py B608": 2}), Counter({"a.py B608": 2})) == []
    assert differences(Counter({"a.py B608": 3}), Counter({"a.py B608": 2})) == [
        "not reviewed: a.py B608 (1 times)"
    ]
    assert differences(Counter(), Counter({"a.py B608": 1})) == ["reviewed and gone: a.py B608"]


def test_reviewed_risks_have_a_place_and_a_reason() -> None:
    lines = [
        line.split() for line in (ROOT / "scripts/reviewed.txt").read_text().splitlines() if line[0] != "#"
    ]
    assert all(len(words) > (4 if words[0] == "bandit" else 2) for words in lines)
    assert sum(reviewed("bandit").values()) == sum(int(words[3]) for words in lines if words[0] == "bandit")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pinned_package_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.findall(r"^[A-Za-z0-9_.-]+==[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)) > 40
