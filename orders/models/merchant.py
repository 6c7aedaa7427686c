"""Merchants, the people of their companies, and their API clients."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class LatePayments(models.TextChoices):
    """What happens to a payment of a closed order. The choices open a case or refund it; none revives the order."""

    ASK = "ask", _("a person decides")
    REFUND = "refund", _("refund automatically")


class Merchant(models.Model):
    """A shop that sells."""

    slug = models.SlugField(_("slug"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    payment_timeout_minutes = models.PositiveIntegerField(
        _("payment timeout (minutes)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(60 * 24 * 15)],
        help_text=_("Unpaid orders close after this time. Empty: the site's default."),
    )
    late_payments = models.CharField(
        _("late payments"),
        max_length=10,
        choices=LatePayments.choices,
        default=LatePayments.ASK,
        help_text=_("What becomes of money that arrives after its order was closed."),
    )
    insures_parcels = models.BooleanField(
        _("insure every parcel"),
        default=False,
        db_default=False,
        help_text=_(
            "Waybills ordered here are insured for the paid value of their goods, up to the carrier's highest."
        ),
    )
    allows_single_operator = models.BooleanField(
        _("one person may decide alone"),
        default=False,
        help_text=_(
            "For a shop of one person: the proposer may also approve, after a wait, and the history marks it."
        ),
    )
    single_operator_wait_minutes = models.PositiveIntegerField(
        _("wait before deciding alone (minutes)"), default=30, validators=[MinValueValidator(5)]
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        permissions = [("approve_merchant", _("Can approve changed switches of merchants"))]

    def __str__(self) -> str:
        return self.name


class MerchantMember(models.Model):
    """A user of the merchant's company; sees the orders of this merchant and no others.

    An owner also has the pages of what speaks for the shop to programs: its webhooks.
    """

    merchant = models.ForeignKey(Merchant, models.CASCADE, related_name="members", verbose_name=_("merchant"))
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="membership", verbose_name=_("user")
    )
    is_owner = models.BooleanField(
        pgettext_lazy("merchant", "owner"),
        default=False,
        db_default=False,
        help_text=_("Also sets up the shop's webhooks."),
    )

    class Meta:
        verbose_name = _("merchant member")
        verbose_name_plural = _("merchant members")

    def __str__(self) -> str:
        return f"{self.user} · {self.merchant}"


class ApiClient(models.Model):
    """A program that calls the API with a bearer token. Only the SHA-256 of the token is stored.

    `expires_at` (UTC) None: never. `last_used_at` (UTC) is exact to the hour. While a token is rotated the old one works
    as well, until `old_token_until`.
    """

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="api_clients", verbose_name=_("merchant")
    )
    name = models.CharField(_("name"), max_length=80)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    token_hint = models.CharField(_("token begins with"), max_length=12, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    requests_per_second = models.PositiveIntegerField(
        _("requests per second"), default=1000, validators=[MinValueValidator(1)]
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    old_token_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    old_token_until = models.DateTimeField(_("old token works until"), null=True, editable=False)

    class Meta:
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")

    def __str__(self) -> str:
        return f"{self.name} ({self.merchant})"
