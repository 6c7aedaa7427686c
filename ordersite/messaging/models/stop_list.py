"""Who does not want messages, and who agreed to one. Addresses are kept as keyed fingerprints."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AddressKindChoices(models.TextChoices):
    """The kinds of addresses, as senders name them."""

    PHONE = "phone", _("phone")
    OPENID = "openid", _("WeChat openid")
    EMAIL = "email", _("e-mail")


class StopListEntry(models.Model):
    """An address of one shop's buyers to which nothing is sent. `digest` finds it, `masked` shows it."""

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=AddressKindChoices.choices)
    digest = models.CharField(max_length=64, editable=False)
    masked = models.CharField(_("address"), max_length=100)
    reason = models.CharField(_("reason"), max_length=200)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("person"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("stop-list entry")
        verbose_name_plural = _("stop list")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["merchant", "digest"], name="stop_list_once")]

    def __str__(self) -> str:
        return self.masked


class SubscriptionConsent(models.Model):
    """A buyer agreed to one message of one template of a WeChat account; `message` is the one that used it up."""

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    digest = models.CharField(max_length=64, editable=False)
    template_id = models.CharField(_("template at WeChat"), max_length=100)
    given_at = models.DateTimeField(_("given at"), default=timezone.now, editable=False)
    message = models.ForeignKey(
        "messaging.BuyerMessage",
        models.CASCADE,
        null=True,
        db_index=False,
        related_name="+",
        verbose_name=_("message"),
    )

    class Meta:
        verbose_name = _("consent to a message")
        verbose_name_plural = _("consents to messages")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["merchant", "digest", "template_id", "id"],
                name="consent_unused",
                condition=Q(message__isnull=True),
            ),
            models.Index(fields=["message"], name="consent_of_message", condition=Q(message__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.template_id
