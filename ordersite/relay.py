"""The relay with the table of this product."""

from __future__ import annotations

from ordersite.flow import FLOW
from ordersite.queue import relay


def run_relay() -> int:
    """Deliver what is due; returns how many deliveries were finished."""
    return relay.run(FLOW)
