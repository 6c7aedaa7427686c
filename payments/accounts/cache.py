"""Caches opened payment accounts for the notification endpoint."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from payments.accounts.keys import keys_of
from payments.models import PaymentAccount
from payments.providers.types import AccountKeys

CACHE_SECONDS = 10.0
RELOAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """A cached account; `loaded_at` is on the monotonic clock."""

    id: int
    keys: AccountKeys
    loaded_at: float


class AccountCache:
    """Opened accounts of one process, each for CACHE_SECONDS. Only existing accounts are cached, so its size is bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Known] = {}

    def get(self, provider: str, slug: str) -> Known | None:
        """None when there is no such account. Raises database errors and `CannotDecrypt`."""
        known = self._known.get((provider, slug))
        if known is not None and time.monotonic() - known.loaded_at < CACHE_SECONDS:
            return known
        return self._load(provider, slug)

    def reload(self, known: Known) -> Known | None:
        """After a failed signature: the account as it is now, or None where it is the same or was just loaded."""
        if time.monotonic() - known.loaded_at < RELOAD_SECONDS:
            return None
        fresh = self._load(known.keys.provider, known.keys.slug)
        return fresh if fresh is not None and fresh.keys.version != known.keys.version else None

    def forget(self, provider: str, slug: str) -> None:
        """This process sees a change at once, the others within CACHE_SECONDS."""
        self._keep((provider, slug), None)

    def _load(self, provider: str, slug: str) -> Known | None:
        account = PaymentAccount.objects.filter(provider=provider, slug=slug).first()
        old = self._known.get((provider, slug))
        known = None
        if account is not None and old is not None and old.keys.version == account.keys_version:
            known = replace(old, id=account.pk, loaded_at=time.monotonic())
        elif account is not None:
            known = Known(account.pk, keys_of(account), time.monotonic())
        self._keep((provider, slug), known)
        return known

    def _keep(self, name: tuple[str, str], known: Known | None) -> None:
        with self._lock:
            if known is None:
                self._known.pop(name, None)
            else:
                self._known[name] = known


known_accounts = AccountCache()
