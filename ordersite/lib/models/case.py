"""The base of all cases: what a machine must not decide is opened as a case, and a person resolves it."""

from __future__ import annotations

from typing import Self, TypeVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

M = TypeVar("M", bound=models.Model)


class CaseQuerySet(models.QuerySet[M]):
    """Queries of cases."""

    def open(self) -> Self:
        return self.filter(resolved_at__isnull=True)

    def resolved(self) -> Self:
        return self.filter(resolved_at__isnull=False)


class AbstractCase(models.Model):
    """A case of an app; subclasses add `kind` and what it is about. Times are UTC.

    `resolved_by` is empty when the product found the case settled by itself.
    """

    detail = models.JSONField(_("detail"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("owner"),
    )
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("resolved by"),
    )
    resolution = models.CharField(_("resolution"), max_length=500, default="", blank=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        """Whether nobody has resolved it."""
        return self.resolved_at is None
