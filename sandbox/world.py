"""What every part of the sandbox shares: its settings, its memory, its keys."""

from dataclasses import dataclass

from sandbox import faults
from sandbox.config import Settings
from sandbox.keys.keys import Keys
from sandbox.store import Store


@dataclass(frozen=True, slots=True)
class World:
    """Handed to every handler."""

    settings: Settings
    store: Store
    keys: Keys

    def faults_at(self, target: str) -> dict[str, float]:
        """Use up one call of every fault that waits at a gateway."""
        return faults.take(self.store, target=target, names=faults.ALLOWED[target])
