"""The yardstick of B1 starts: what the product imports as it comes up must not break the bench unseen."""

from __future__ import annotations

import os
import subprocess
import sys

from scripts.env_file import ROOT


def test_the_plain_views_come_up_under_their_own_settings() -> None:
    own = {"DJANGO_SETTINGS_MODULE": "benchmarks.notifications.plain_settings", "WEB_THREADS": "2"}
    environment = {**os.environ, **own}
    code = "from benchmarks.notifications.plain import front, urlpatterns; assert front and len(urlpatterns) == 2"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
