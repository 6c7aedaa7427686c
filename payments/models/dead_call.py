"""Webhook calls that failed at the proxy, read from its access log, and the position up to which it was read."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class DeadCall(models.Model):
    """A line of the proxy's access log about /notify/ with a status of 300 and above. Its body is lost.

    `upstream_status` is what we answered, 0 where the call never reached us: then this row is its only trace.
    `line_digest` makes reading the same file again harmless.
    """

    at = models.DateTimeField(_("ended at"))
    provider = models.CharField(_("provider"), max_length=20, default="")
    account_slug = models.CharField(_("payment account"), max_length=40, default="")
    path = models.CharField(_("path"), max_length=120)
    method = models.CharField(_("method"), max_length=10, default="")
    status = models.PositiveSmallIntegerField(_("status"))
    upstream_status = models.PositiveSmallIntegerField(_("our answer"), default=0)
    remote_address = models.CharField(_("from"), max_length=45, default="")
    announced = models.PositiveIntegerField(_("bytes announced"), default=0)
    received = models.PositiveIntegerField(_("bytes received"), default=0)
    duration_ms = models.PositiveIntegerField(_("took (ms)"), default=0)
    request_id = models.CharField(_("request id"), max_length=64, default="")
    line_digest = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("call lost at the proxy")
        verbose_name_plural = _("calls lost at the proxy")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["line_digest"], name="dead_call_once")]
        indexes = [
            models.Index(fields=["at"], name="dead_call_at"),
            models.Index(fields=["provider", "id"], name="dead_call_provider"),
            models.Index(fields=["status", "id"], name="dead_call_status"),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.path}"


class LogPosition(models.Model):
    """How far a file was read. A file of another number under the same name is a new one (rotated)."""

    path = models.CharField(max_length=400)
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("position in an access log")
        verbose_name_plural = _("positions in access logs")
        constraints = [models.UniqueConstraint(fields=["path"], name="log_position_path")]

    def __str__(self) -> str:
        return self.path
