"""Replay stored payment notifications."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ordersite.queue.replay import ReplayCommand, Replayed
from payments.notifications import replay


class Command(ReplayCommand):
    help = "Replays stored payment notifications: these ids, or what failed since a time."
    name = "replay_inbox"

    def replay(self, ids: Sequence[int]) -> Replayed:
        return replay.replay(ids, actor=self.name)

    def failed_since(self, since: datetime) -> Sequence[int]:
        return replay.failed_since(since)
