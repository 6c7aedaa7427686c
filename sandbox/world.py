"""The settings, store and keys that every part of the sandbox shares."""

from dataclasses import dataclass

from sandbox import faults
from sandbox.config import Settings
from sandbox.keys.keys import Keys
from sandbox.store import Store


@dataclass(frozen=True, slots=True)
class World:
    """The argument of every handler."""

    settings: Settings
    store: Store
    keys: Keys

    def faults_at(self, target: str) -> dict[str, float]:
        """Use up one call of every fault waiting at a target; returns name to value."""
        return faults.take(self.store, target=target, names=faults.ALLOWED[target])
