"""Caches opened accounts for the addresses that outside machines call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from ordersite.outside_accounts.model import OutsideAccount

CACHE_SECONDS = 10.0
RELOAD_SECONDS = 1.0


class _Versioned(Protocol):
    @property
    def version(self) -> str: ...


Name = TypeVar("Name", bound=Hashable)
Account = TypeVar("Account", bound=OutsideAccount)
Keys = TypeVar("Keys", bound=_Versioned)


@dataclass(frozen=True, slots=True)
class Opened(Generic[Name, Keys]):
    """An account with its opened keys, under the name that it is called by. `loaded_at` is on the monotonic clock."""

    id: int
    name: Name
    keys: Keys
    loaded_at: float


class OpenedAccounts(Generic[Name, Account, Keys]):
    """Opened accounts of one process, each for CACHE_SECONDS. Only existing accounts are cached, so its size is bounded."""

    def __init__(self, find: Callable[[Name], Account | None], keys_of: Callable[[Account], Keys]) -> None:
        self._find, self._keys_of = find, keys_of
        self._lock = threading.Lock()
        self._known: dict[Name, Opened[Name, Keys]] = {}

    def get(self, name: Name) -> Opened[Name, Keys] | None:
        """None when there is no such account. Raises database errors and `CannotDecrypt`."""
        known = self._known.get(name)
        if known is not None and time.monotonic() - known.loaded_at < CACHE_SECONDS:
            return known
        return self._load(name)

    def reload(self, known: Opened[Name, Keys]) -> Opened[Name, Keys] | None:
        """After a failed signature: the account as it is now, or None where it is the same or was just loaded."""
        if time.monotonic() - known.loaded_at < RELOAD_SECONDS:
            return None
        fresh = self._load(known.name)
        return fresh if fresh is not None and fresh.keys.version != known.keys.version else None

    def forget(self, name: Name) -> None:
        """This process sees a change at once, the others within CACHE_SECONDS."""
        self._keep(name, None)

    def _load(self, name: Name) -> Opened[Name, Keys] | None:
        account, old = self._find(name), self._known.get(name)
        known = None
        if account is not None and old is not None and old.keys.version == account.keys_version:
            known = replace(old, id=account.pk, loaded_at=time.monotonic())
        elif account is not None:
            known = Opened(account.pk, name, self._keys_of(account), time.monotonic())
        self._keep(name, known)
        return known

    def _keep(self, name: Name, known: Opened[Name, Keys] | None) -> None:
        with self._lock:
            if known is None:
                self._known.pop(name, None)
            else:
                self._known[name] = known
