"""How far the stored events of a carrier are mapped anew."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MapRun(models.Model):
    """One run over the stored events whose codes are this connector's; the next run takes its row.

    Events up to `position` (a primary key) are looked at, up to `last_id` they will be. `events` and `parcels` count what
    was changed. `finished_at` is None while it is under way; whoever goes on, goes on from `position`.
    """

    carrier = models.CharField(_("carrier"), max_length=20)
    position = models.BigIntegerField(default=0)
    last_id = models.BigIntegerField(default=0)
    events = models.PositiveIntegerField(_("events"), default=0)
    parcels = models.PositiveIntegerField(_("parcels"), default=0)
    started_by = models.CharField(_("started by"), max_length=150, default="", blank=True)
    started_at = models.DateTimeField(_("started at"), default=timezone.now)
    finished_at = models.DateTimeField(_("done at"), null=True)

    class Meta:
        verbose_name = _("run of a map of codes")
        verbose_name_plural = _("runs of maps of codes")
        constraints = [models.UniqueConstraint(fields=["carrier"], name="map_run_of_carrier")]

    def __str__(self) -> str:
        return f"{self.carrier} {self.position}/{self.last_id}"
