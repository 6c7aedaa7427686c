"""The version stands once, and everything that names it says the same; the changelog has a section for each."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from django.test import Client

import ordersite
from ordersite.tests.site import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.removesuffix(".dev0").split(".")))


def test_changelog_has_dated_sections_in_order() -> None:
    top, *released = HEADINGS
    found = [re.fullmatch(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)", heading) for heading in released]
    assert top == "Unreleased"
    assert released
    assert all(found), released
    order = [(numbers(one[1]), one[2]) for one in found if one]
    assert order == sorted(order, reverse=True)


def test_version_is_the_newest_section_or_the_next() -> None:
    newest = HEADINGS[1].split()[0]
    unreleased = CHANGELOG.split("\n## ")[1].partition("\n")[2].strip()
    if unreleased:
        assert ordersite.__version__.endswith(".dev0")
        assert numbers(ordersite.__version__) > numbers(newest)
    else:
        assert ordersite.__version__ == newest


def test_command_says_the_version() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"ordersite {ordersite.__version__}\n"


@pytest.mark.django_db
def test_pages_say_the_version() -> None:
    client = Client()
    assert f"version: {ordersite.__version__}" in client.get("/api/schema/").content.decode()
    assert (
        f'ordersite_info{{version="{ordersite.__version__}"}} 1.0' in client.get("/metrics").content.decode()
    )
