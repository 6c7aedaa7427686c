"""Uploaded files of tests go where tests go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation


@pytest.fixture(autouse=True)
def private_folder(settings: Any, tmp_path: Path) -> Path:
    settings.PRIVATE_DIR = str(tmp_path / "private")
    return tmp_path / "private"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """What is refused is compared in the language of the sources, whether the translation is compiled or not."""
    with translation.override("en"):
        yield
