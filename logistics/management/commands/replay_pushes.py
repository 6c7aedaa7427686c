"""Replay stored pushes of carriers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from logistics.pushes import replay
from ordersite.queue.replay import ReplayCommand, Replayed


class Command(ReplayCommand):
    help = "Replays stored pushes of carriers: these ids, or what failed since a time."
    name = "replay_pushes"

    def replay(self, ids: Sequence[int]) -> Replayed:
        return replay.replay(ids, actor=self.name)

    def failed_since(self, since: datetime) -> Sequence[int]:
        return replay.failed_since(since)
