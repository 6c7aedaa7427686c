"""A system check of the compiled translations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

_HINT = "Run `make messages`."


def check_catalogues(**_options: Any) -> list[checks.CheckMessage]:
    """Report catalogues that are not compiled, or older than their source: pages would be half English."""
    sources = [path for folder in settings.LOCALE_PATHS for path in Path(folder).glob("*/LC_MESSAGES/*.po")]
    return [problem for source in sorted(sources) for problem in _problems(source)]


def _problems(source: Path) -> list[checks.CheckMessage]:
    compiled = source.with_suffix(".mo")
    name = f"{source.parent.parent.name}/{compiled.name}"
    if not compiled.exists():
        return [checks.Error(f"The translations {name} are not compiled.", hint=_HINT, id="ordersite.E010")]
    if compiled.stat().st_mtime < source.stat().st_mtime:
        return [checks.Warning(f"The translations {name} are out of date.", hint=_HINT, id="ordersite.W010")]
    return []
