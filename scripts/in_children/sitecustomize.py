"""Python runs this at the start of every process below a test session: it guards the process's connections."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])

sys.path.insert(0, _ROOT)
from scripts import network_guard  # noqa: E402  # the repository is on the path only now

sys.path.remove(_ROOT)
del sys.modules["scripts"]  # a copy of the repository has its own; the guard stays known by its full name
network_guard.guard_if_enabled()
# A copy of the product elsewhere has a package of this name as well: its own is the one that it imports.
if str(Path.cwd()) != _ROOT:
    for _name in ("scripts.network_guard", "scripts"):
        sys.modules.pop(_name, None)
