"""A bulk job: one operation on many rows, each with a result of its own, run by the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.queue.models import QueueRow


class RowResult(models.TextChoices):
    """What became of a row. Skipped: there was nothing to do, and the code says why. Stopped: a person stopped the job."""

    DONE = "done", pgettext_lazy("row of a bulk job", "done")
    SKIPPED = "skipped", pgettext_lazy("row of a bulk job", "skipped")
    FAILED = "failed", pgettext_lazy("row of a bulk job", "failed")
    STOPPED = "stopped", pgettext_lazy("row of a bulk job", "stopped")


# What «run again» takes up.
AGAIN = (RowResult.FAILED, RowResult.STOPPED)


class BulkJobQuerySet(models.QuerySet["BulkJob"]):
    """Queries of bulk jobs."""

    def unfinished(self) -> Self:
        return self.filter(finished_at__isnull=True)


class BulkJob(models.Model):
    """One operation on chosen rows. Times are UTC.

    `operation` is a key of the table of operations; a version that does not know it leaves the job to one that does.
    `started_by` is in whose name the rows are run, and whose right is checked again before each batch of them.
    `counts` are its rows by result, once it is finished; while it runs they are counted. `file` is what it made, in the
    private storage, and `file_problem` the code of why there is none.
    """

    operation = models.CharField(_("operation"), max_length=40)
    reason = models.CharField(_("reason"), max_length=200, default="", blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="bulk_jobs",
        db_index=False,
        verbose_name=_("started by"),
    )
    total = models.PositiveIntegerField(_("rows"), default=0)
    counts = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(_("started at"), default=timezone.now, editable=False)
    stopped_at = models.DateTimeField(_("stopped at"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    finish_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    file = models.CharField(max_length=40, default="", editable=False)
    file_problem = models.CharField(max_length=40, default="", editable=False)

    objects = BulkJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("bulk job")
        verbose_name_plural = _("bulk jobs")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], name="bulk_job_unfinished", condition=Q(finished_at__isnull=True)),
            models.Index(fields=["finished_at"], name="bulk_job_finished"),
            models.Index(fields=["finished_at"], name="bulk_job_with_file", condition=~Q(file="")),
        ]

    def __str__(self) -> str:
        return f"{self.operation} #{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class BulkRow(QueueRow):
    """One row of a job. `subject_id` is what the operation is done to; empty where a pasted number was not found.

    `code` says why it was skipped or failed, `words` the same in words where the code alone does not say it.
    """

    # Longer than the rows of a batch take; a row that takes longer is locked meanwhile, and no claim takes it.
    lease: ClassVar[timedelta] = timedelta(seconds=30)

    job = models.ForeignKey(
        BulkJob, models.CASCADE, related_name="rows", db_index=False, verbose_name=_("bulk job")
    )
    position = models.PositiveIntegerField()
    subject_id = models.BigIntegerField(null=True)
    name = models.CharField(max_length=64)
    result = models.CharField(max_length=8, choices=RowResult.choices, default="", blank=True)
    code = models.CharField(max_length=40, default="", blank=True)
    words = models.CharField(max_length=300, default="", blank=True)

    class Meta:
        verbose_name = _("row of a bulk job")
        verbose_name_plural = _("rows of bulk jobs")
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="bulk_row_once")]
        indexes = [
            models.Index(fields=["job", "id"], name="bulk_row_waiting", condition=Q(done_at__isnull=True)),
            models.Index(fields=["job", "result", "position"], name="bulk_row_result"),
        ]

    def __str__(self) -> str:
        return self.name
