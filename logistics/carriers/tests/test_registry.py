"""Every connector is a folder under its own name, found by the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from logistics.carriers.registry import CARRIERS, FALLBACK, carrier_choices, get_carrier
from ordersite.lib.errors import DomainError

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-carrier.md").read_text()
FOLDERS = {path.parent.name for path in Path(__file__).parents[1].glob("*/adapter.py")}


def test_every_folder_is_registered() -> None:
    assert set(CARRIERS) == FOLDERS
    assert FALLBACK in CARRIERS


@pytest.mark.parametrize("name", sorted(CARRIERS))
def test_a_connector_is_found_by_its_name(name: str) -> None:
    assert get_carrier(name).name == name
    assert (name, str(get_carrier(name).label)) in carrier_choices()


@pytest.mark.parametrize("name", sorted(CARRIERS))
def test_a_connector_stands_in_both_tables_of_the_page(name: str) -> None:
    assert PAGE.count(f"\n| `{name}` | ") == 2


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(DomainError, match="unknown_carrier"):
        get_carrier("pigeon")
