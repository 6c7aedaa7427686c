"""The product's settings without its middleware and addresses, for the yardstick of B1."""

from __future__ import annotations

from ordersite.settings import *  # noqa: F403

MIDDLEWARE = []
ROOT_URLCONF = "benchmarks.notifications.plain"
