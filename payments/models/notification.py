"""The inbox of payment notifications. The row is also the queue entry; the raw call has its own table."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ordersite.lib.money import MoneyField
from ordersite.queue.inbox import InboxQuerySet, InboxRow, RawCall
from ordersite.queue.refused_calls import CountedCalls


class PaymentNotification(InboxRow):
    """One stored notification. `check_result` is that of the signature, `outcome` what applying it did to the order."""

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
        _("signature check"), max_length=10, choices=InboxRow.CheckResult.choices, db_column="verdict"
    )
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
    # The state of the account's keys that its signature was good with, as the audit of the account names it.
    keys_fingerprint = models.CharField(
        _("fingerprint of the keys"), max_length=16, default="", db_default="", blank=True
    )
    outcome = models.CharField(
        _("outcome"), max_length=20, choices=Outcome.choices, default=Outcome.WAITING, blank=True
    )

    objects = InboxQuerySet["PaymentNotification"].as_manager()

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


class NotificationBody(RawCall):
    """The raw call of a notification, bound to it. `payments.notifications.retention` seals old bodies in clear."""

    notification = models.OneToOneField(
        PaymentNotification, models.CASCADE, primary_key=True, related_name="raw", db_constraint=False
    )

    class Meta:
        verbose_name = _("raw notification")
        verbose_name_plural = _("raw notifications")
        # New rows are never in it: finding what is left to seal costs the intake nothing.
        indexes = [models.Index(fields=["notification"], name="raw_call_in_clear", condition=Q(key_id=""))]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def place(self) -> str:
        """What the body is bound to."""
        return place_of_body(self.notification.account_id, self.notification.body_digest)


class RefusedCall(CountedCalls):
    """Calls to the notify addresses that are counted, not kept."""

    class Meta:
        verbose_name = _("refused call")
        verbose_name_plural = _("refused calls")
        constraints = [models.UniqueConstraint(fields=["day", "path", "reason"], name="refused_call_row")]
