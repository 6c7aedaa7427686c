"""A fixture with what the console handler writes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from ordersite.logs import LineFormatter

__all__ = ["log"]


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the console handler of the settings writes."""
    [handler] = [
        found for found in logging.getLogger().handlers if isinstance(found.formatter, LineFormatter)
    ]
    assert isinstance(handler, logging.StreamHandler)
    written = StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)
