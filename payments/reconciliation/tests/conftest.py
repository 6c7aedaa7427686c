"""Uploaded files of tests go where tests go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def private_folder(settings: Any, tmp_path: Path) -> Path:
    settings.PRIVATE_DIR = str(tmp_path / "private")
    return tmp_path / "private"
