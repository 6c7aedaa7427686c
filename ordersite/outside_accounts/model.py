"""The base of accounts at outside companies: payment providers and carriers."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.outside_accounts.circuit import CircuitBreaker, CircuitState
from ordersite.outside_accounts.secrets import seal, unseal


class OutsideAccount(models.Model):
    """An account at an outside company: its keys, rate limit and circuit breaker.

    `config` may be shown; `sealed_secrets` is one JSON object, sealed to this table and slug. `next_call_at` (UTC) is
    the end of an open circuit, and of the rate limit's pause where the account has one. `lease_column` names the
    column of the lease: `next_call_at` itself where every call waits for the lease, else a column of the model.
    """

    breaker: ClassVar[CircuitBreaker] = CircuitBreaker()
    lease_column: ClassVar[str] = "next_call_at"

    slug = models.SlugField(_("slug"), max_length=40, unique=True)
    config = models.JSONField(_("settings"), default=dict)
    sealed_secrets = models.TextField(editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now, editable=False)
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    next_call_at = models.DateTimeField(
        _("called next at"), null=True, editable=False, db_column="resting_until"
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.slug

    @property
    def circuit(self) -> CircuitState:
        """The state of the circuit breaker. A lease in the same column reads as open: a trial call is out."""
        return self.breaker.state(self.failures_in_a_row, self.next_call_at, now=timezone.now())

    @property
    def is_circuit_open(self) -> bool:
        """Whether calls are stopped because the last ones failed."""
        return self.circuit is CircuitState.OPEN

    @property
    def circuit_open_until(self) -> datetime | None:
        """When the trial call may go out (UTC); None unless the circuit is open."""
        return self.next_call_at if self.is_circuit_open else None

    @property
    def keys_version(self) -> str:
        """Changes with every change of the keys."""
        text = json.dumps(self.config, sort_keys=True) + self.sealed_secrets
        return hashlib.sha256(text.encode()).hexdigest()

    def open_secrets(self) -> dict[str, Any]:
        """The secrets by name. Raises `CannotDecrypt`."""
        return unseal(self.sealed_secrets, table=self._meta.db_table, slug=self.slug)

    def seal_secrets(self, secrets: dict[str, Any]) -> None:
        """Seal these secrets to this row in place of the old ones; not saved."""
        self.sealed_secrets = seal(secrets, table=self._meta.db_table, slug=self.slug)
