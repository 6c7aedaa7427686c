"""A pytest plugin that writes down what became of each test, so that several runs can be added up.

Load it with `-p scripts.tally`; it writes one JSON file per process into the folder that TEST_TALLY names:
`outcomes` (node id to passed, failed or skipped, with the reason) and `left_out` (node id to its marks).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest


class Tally:
    """Collects in one process. Under xdist the workers know what was left out, the controller the results."""

    def __init__(self, target: Path, is_worker: bool) -> None:
        self.target = target
        self.is_worker = is_worker
        self.outcomes: dict[str, tuple[str, str]] = {}
        self.left_out: dict[str, list[str]] = {}

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.left_out |= {item.nodeid: sorted({mark.name for mark in item.iter_markers()}) for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.is_worker:
            return
        known, _ = self.outcomes.get(report.nodeid, ("", ""))
        if report.failed:
            self.outcomes[report.nodeid] = ("failed", report.when or "")
        elif report.skipped and known != "failed":
            self.outcomes[report.nodeid] = ("skipped", _reason(report))
        elif report.when == "call" and known != "failed":
            self.outcomes[report.nodeid] = ("passed", "")

    def pytest_sessionfinish(self) -> None:
        self.target.write_text(json.dumps({"outcomes": self.outcomes, "left_out": self.left_out}))


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "")) or "skipped"


def pytest_configure(config: pytest.Config) -> None:
    if folder := os.environ.get("TEST_TALLY"):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        name = f"{worker or 'main'}.json"
        config.pluginmanager.register(Tally(Path(folder) / name, bool(worker)), "ordersite-tally")
