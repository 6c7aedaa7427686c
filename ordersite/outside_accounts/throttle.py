"""The throttle of outside accounts: rate limit, lease and circuit breaker, on the account's own row.

All of it is guarded UPDATEs of that row, so it holds across threads, processes and machines. Only one process has an
account's lease; a process that died with it is overtaken when the lease ends. Nothing here calls the outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db.models import Exists, F, Model, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from ordersite.outside_accounts.circuit import CircuitState
from ordersite.outside_accounts.model import OutsideAccount

Account = TypeVar("Account", bound=OutsideAccount)


@dataclass(frozen=True, slots=True)
class Lease(Generic[Account]):
    """An account that one process alone may call until `until`; up to `size` calls at once. Times are UTC."""

    account: Account
    taken_at: datetime
    until: datetime
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle(Generic[Account]):
    """How accounts of one kind may be called.

    `lease` must be longer than the calls made under it. `calls_per_second`: None means no rate limit.
    `only_active`: a disabled account gets no lease.
    """

    accounts: type[Account]
    lease: timedelta
    calls_at_once: int = 1
    calls_per_second: float | None = None
    only_active: bool = False

    def ready(self, due: QuerySet[Model], *, before: datetime) -> list[Account]:
        """Accounts that may be called before this time (UTC) and have a row in `due`, longest waiting first.

        `due` refers to the account by `OuterRef("pk")`.
        """
        accounts = self._manager().filter(self._is_free(before)).filter(Exists(due))
        return list(accounts.order_by(F("next_call_at").asc(nulls_first=True), "pk"))

    def take(self, account: Account) -> Lease[Account] | None:
        """Lease the account; None when another process has it, its rate is used up or its circuit is open."""
        now = timezone.now()
        size = 1 if account.circuit is CircuitState.HALF_OPEN else self.calls_at_once
        return self._lease(account, self._is_free(now), now, size)

    def renew(self, lease: Lease[Account]) -> Lease[Account] | None:
        """Lease the account for another while; None when the lease was lost meanwhile."""
        return self._lease(lease.account, self._has(lease), timezone.now(), lease.size)

    def release(self, lease: Lease[Account], outages: Sequence[bool] = ()) -> None:
        """End the lease, and open the circuit after too many failures in a row.

        `outages`: the calls made under the lease that are not recorded yet; True is a failed one.

        The next lease waits for the rate limit, or for the circuit to become half-open. No effect on the row of an
        account whose lease was lost meanwhile, except for the count of failures.
        """
        failures = self._count(lease.account.pk, outages)
        values: dict[str, datetime | None] = {lease.account.lease_column: None}
        if outages and failures >= self.accounts.breaker.opens_after:
            values["next_call_at"] = timezone.now() + self.accounts.breaker.backoff(failures)
        elif self.calls_per_second:
            pause = timedelta(seconds=len(outages) / self.calls_per_second)
            values["next_call_at"] = lease.taken_at + pause
        self._row(lease.account.pk).filter(self._has(lease)).update(**values)

    def record_calls(self, account_id: int, outages: Sequence[bool]) -> bool:
        """Count calls, True for a failed one, and open the circuit after too many failures; returns whether it did.

        For calls that are not recorded by `release`. A lease or an open circuit in `next_call_at` is left as it is.
        """
        failures = self._count(account_id, outages)
        if failures < self.accounts.breaker.opens_after:
            return False
        now = timezone.now()
        callable_now = self._row(account_id).filter(_is_over("next_call_at", now))
        callable_now.update(next_call_at=now + self.accounts.breaker.backoff(failures))
        return True

    def open_circuit(self, account_id: int, backoff: timedelta) -> None:
        """Open the circuit at once, for an account that is unusable as it is."""
        failures = Greatest(F("failures_in_a_row"), self.accounts.breaker.opens_after)
        self._row(account_id).update(next_call_at=timezone.now() + backoff, failures_in_a_row=failures)

    def half_open(self, account: Account) -> None:
        """End an open circuit early, so that one trial call goes out. A lease taken meanwhile is left alone."""
        failing = self._row(account.pk).filter(failures_in_a_row__gte=account.breaker.opens_after)
        failing.filter(next_call_at=account.next_call_at).update(next_call_at=timezone.now())

    def _count(self, account_id: int, outages: Sequence[bool]) -> int:
        """Count failures in a row; one call that worked sets the count back to 0. Returns the count."""
        row = self._row(account_id)
        if outages and all(outages):
            row.update(failures_in_a_row=F("failures_in_a_row") + len(outages))
        elif outages:
            row.exclude(failures_in_a_row=0).update(failures_in_a_row=0)
        return int(row.values_list("failures_in_a_row", flat=True).get())

    def _lease(self, account: Account, condition: Q, now: datetime, size: int) -> Lease[Account] | None:
        until = now + self.lease
        rows = self._row(account.pk).filter(condition)
        if self.only_active:
            rows = rows.filter(is_active=True)
        if not rows.update(**{account.lease_column: until}):
            return None
        return Lease(account, now, until, size)

    def _is_free(self, at: datetime) -> Q:
        return _is_over(self.accounts.lease_column, at) & _is_over("next_call_at", at)

    def _has(self, lease: Lease[Account]) -> Q:
        return Q(**{lease.account.lease_column: lease.until})

    def _row(self, account_id: int) -> QuerySet[Any]:
        return self._manager().filter(pk=account_id)

    def _manager(self) -> Any:
        return self.accounts._default_manager


def _is_over(column: str, at: datetime) -> Q:
    return Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lte": at})
