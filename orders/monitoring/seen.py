"""What was seen of a shop that operations should know, and the alerts that say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orders.models import Merchant
from orders.models.monitoring.minutes import moment_of
from orders.monitoring.figures import KINDS, figures_of, written
from ordersite.health import alerts
from ordersite.health.models import Alert

# An alert that goes on is renewed once a minute, and closes when nothing was seen for so long.
_RENEWED, CALM = timedelta(minutes=1), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Seen:
    """A reason for an alert about one merchant. `first` is the minute (since 1970) at which it began; `who` is the buyer
    (the shop's id) or the address, where it is about one."""

    kind: Alert.Kind
    merchant: Merchant
    figures: Mapping[str, object]
    first: int
    who: str = ""

    @property
    def subject(self) -> str:
        return f"{self.merchant.slug} {self.who}".strip()

    def text(self, since: str) -> str:
        about = {"who": self.who} if self.who else {}
        return written({**about, **self.figures, "since": since, "merchant": self.merchant.pk})


def settle(seen: Iterable[Seen], now: datetime) -> None:
    """Open or renew an alert for each of these, and close the others once they have been calm for a while."""
    found = list(seen)
    for kind in KINDS:
        known = {row.subject: row for row in Alert.objects.filter(kind=kind, closed_at__isnull=True)}
        for one in found:
            if one.kind == kind:
                _raise(one, known.get(one.subject), now)
        still = {subject for subject, row in known.items() if row.last_at > now - CALM}
        alerts.heal_others(kind, still | {one.subject for one in found if one.kind == kind})


def _raise(seen: Seen, known: Alert | None, now: datetime) -> None:
    if known and known.last_at > now - _RENEWED:
        return
    since = str(figures_of(known).get("since", "")) if known else ""
    alerts.raise_alert(
        seen.kind, seen.subject, seen.text(since or f"{moment_of(seen.first):%Y-%m-%dT%H:%M%z}")
    )
