"""The inbox of payment notifications. The row is also the queue entry; the raw call has its own table."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.lib.money import MoneyField
from ordersite.queue.models import QueueRow


class PaymentNotificationQuerySet(models.QuerySet["PaymentNotification"]):
    """Queries of stored notifications."""

    def verified(self) -> Self:
        """Notifications whose signature was good."""
        return self.filter(check_result=PaymentNotification.CheckResult.VERIFIED)

    def rejected(self) -> Self:
        """Notifications that failed a check of the call itself: signature, time, account."""
        return self.filter(check_result=PaymentNotification.CheckResult.REJECTED)

    def waiting(self) -> Self:
        """Notifications that have not been applied yet."""
        return self.filter(done_at__isnull=True)


class PaymentNotification(QueueRow):
    """One stored notification. `check_result` is that of the signature, `outcome` what applying it did to the order.

    Uniqueness holds among verified rows only: a forged call never takes the place of the genuine one. A rejected row
    has `done_at` from the start: it is never applied.
    """

    class CheckResult(models.TextChoices):
        VERIFIED = "verified", _("signature good")
        REJECTED = "rejected", _("signature bad")

    class Outcome(models.TextChoices):
        WAITING = "", _("waiting")
        APPLIED = "applied", _("applied")
        DUPLICATE = "duplicate", _("duplicate")
        REFUND_APPLIED = "refund_applied", _("refund applied")
        CLOSED_NOTED = "closed_noted", _("closing noted")
        NOTED = "noted", _("noted")
        UNKNOWN_ORDER = "unknown_order", _("unknown order")
        AMOUNT_MISMATCH = "amount_mismatch", _("amount differs")
        WRONG_ACCOUNT = "wrong_account", _("wrong account")
        ALREADY_PAID = "already_paid", _("already paid")
        ORDER_CLOSED = "order_closed", _("order closed")
        REFUND_EVENT = "refund_event", _("refund not requested here")
        REFERENCE_CONFLICT = "reference_conflict", _("trade used twice")
        ORDER_REFUSED = "order_refused", _("order refused it")
        REVERSED = "reversed", _("payment reversed")
        REFUND_TROUBLE = "refund_trouble", _("refund in trouble")
        UNCLEAR = "unclear", _("unclear message about money")
        POISON = "poison", _("cannot be processed")
        REJECTED = "rejected", _("rejected")

    # No database constraint: its check would lock the one account row that all notifications of a shop share.
    account = models.ForeignKey(
        "payments.PaymentAccount",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        verbose_name=_("payment account"),
    )
    event_id = models.CharField(_("notification id"), max_length=200)
    check_result = models.CharField(
        _("signature check"), max_length=10, choices=CheckResult.choices, db_column="verdict"
    )
    reject_code = models.CharField(_("rejected because"), max_length=30, default="", blank=True)
    kind = models.CharField(_("kind"), max_length=20, default="", blank=True)
    reference = models.CharField(_("merchant reference"), max_length=64, default="", blank=True)
    provider_reference = models.CharField(_("provider's reference"), max_length=64, default="", blank=True)
    amount = MoneyField(_("amount"), null=True)
    currency = models.CharField(max_length=3, default="", blank=True)
    refund_reference = models.CharField(max_length=64, default="", blank=True)
    refund_amount = MoneyField(_("refunded by this"), null=True)
    refunded_total = MoneyField(_("refunded in all"), null=True)
    full_refund = models.BooleanField(default=False)
    account_problem = models.CharField(max_length=30, default="", blank=True)
    provider_state = models.CharField(_("provider's state"), max_length=30, default="", blank=True)
    occurred_at = models.DateTimeField(_("occurred at"), null=True)
    body_digest = models.CharField(max_length=64)
    # The state of the account's keys that its signature was good with, as the audit of the account names it.
    keys_fingerprint = models.CharField(
        _("fingerprint of the keys"), max_length=16, default="", db_default="", blank=True
    )
    remote_address = models.CharField(_("from"), max_length=45, default="", blank=True)
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    answered_ms = models.PositiveIntegerField(_("answered in (ms)"), default=0)
    outcome = models.CharField(
        _("outcome"), max_length=20, choices=Outcome.choices, default=Outcome.WAITING, blank=True
    )

    objects = PaymentNotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment notification")
        verbose_name_plural = _("payment notifications")
        ordering = ["-id"]
        permissions = [("replay_paymentnotification", _("Can replay payment notifications"))]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "event_id"], name="notification_once", condition=Q(check_result="verified")
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="notification_waiting", condition=Q(done_at__isnull=True)),
            models.Index(
                fields=["reference", "id"],
                name="notification_reference",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
            models.Index(
                fields=["account", "received_at"],
                name="notification_rejected",
                condition=Q(check_result="rejected"),
            ),
            # The list filtered by an outcome that one call in ten thousand has; the usual three are found anyway.
            models.Index(
                fields=["outcome", "-id"],
                name="notification_rare_outcome",
                condition=~Q(outcome__in=["", "applied", "duplicate"]),
            ),
            # The list of an account that gets few beside one that gets millions.
            models.Index(fields=["account", "-id"], name="notification_account"),
            # Filters of the support desk: the amount that a buyer names, and the sender's address.
            models.Index(fields=["amount", "-id"], name="notification_amount"),
            models.Index(fields=["remote_address", "-id"], name="notification_sender"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.reference}"

    @property
    def is_verified(self) -> bool:
        """Whether its signature was good."""
        return self.check_result == self.CheckResult.VERIFIED

    @property
    def is_rejected(self) -> bool:
        """Whether it failed a check of the call itself."""
        return self.check_result == self.CheckResult.REJECTED

    @property
    def is_waiting(self) -> bool:
        """Whether it has not been applied yet."""
        return self.done_at is None

    @property
    def raw_call(self) -> NotificationBody | None:
        """Headers and body as they were received; None once they are deleted."""
        try:
            return self.raw
        except NotificationBody.DoesNotExist:
            return None


def place_of_body(account_id: int, digest: str) -> str:
    """What a sealed body is bound to: the account and the SHA-256 on its notification's row.

    The row's number would do as well, but is not known before the one statement that stores the call.
    """
    return f"payments_notificationbody.body.{account_id}.{digest}"


class NotificationBody(models.Model):
    """The received headers and raw body of a notification. Pages mask credentials and personal data.

    `sealed_body` is encrypted with the key `key_id` and opens for its own notification only; an empty `key_id` is a body
    in clear, of a version that did not encrypt. `payments.notifications.retention` seals those and deletes old rows.
    """

    notification = models.OneToOneField(
        PaymentNotification, models.CASCADE, primary_key=True, related_name="raw", db_constraint=False
    )
    headers = models.JSONField(default=dict)
    sealed_body = models.BinaryField(db_column="body")
    key_id = models.CharField(max_length=32, default="", db_default="", blank=True)

    class Meta:
        verbose_name = _("raw notification")
        verbose_name_plural = _("raw notifications")
        # New rows are never in it: finding what is left to seal costs the intake nothing.
        indexes = [models.Index(fields=["notification"], name="raw_call_in_clear", condition=Q(key_id=""))]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def body(self) -> bytes:
        """The body as it was received. Raises `CannotDecrypt`."""
        sealed = bytes(self.sealed_body)
        if not self.key_id:
            return sealed
        return settings.KEY_RING.open_bytes(self.key_id, sealed, bound_to=self._place)

    @body.setter
    def body(self, body: bytes) -> None:
        """Seal this body to the row's notification; not saved."""
        self.key_id, self.sealed_body = settings.KEY_RING.seal_bytes(body, bound_to=self._place)

    @property
    def _place(self) -> str:
        return place_of_body(self.notification.account_id, self.notification.body_digest)


class RefusedCall(models.Model):
    """Calls that are counted, not kept: too large, wrong method, unknown account, beyond the day's bound."""

    day = models.DateField(_("day"))
    path = models.CharField(_("path"), max_length=120)
    reason = models.CharField(_("reason"), max_length=30)
    calls = models.PositiveIntegerField(_("calls"), default=0)
    last_at = models.DateTimeField(_("last at"))

    class Meta:
        verbose_name = _("refused call")
        verbose_name_plural = _("refused calls")
        constraints = [models.UniqueConstraint(fields=["day", "path", "reason"], name="refused_call_row")]

    def __str__(self) -> str:
        return f"{self.day} {self.path} {self.reason} ×{self.calls}"
