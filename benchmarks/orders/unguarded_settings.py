"""The product's settings with the addresses of `unguarded`."""

from __future__ import annotations

from ordersite.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.orders.unguarded"
