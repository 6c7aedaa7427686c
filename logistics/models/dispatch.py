"""Instructions to warehouses. Only `logistics.dispatch` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus


class DispatchStatus(models.TextChoices):
    WAITING = "waiting", _("waits for the warehouse")
    SENT = "sent", _("handed out")
    ACCEPTED = "accepted", _("accepted by the warehouse")
    REFUSED = "refused", _("refused by the warehouse")
    SHIPPED = "shipped", _("sent off")
    CANCELLED = "cancelled", _("cancelled")


OPEN = (DispatchStatus.WAITING, DispatchStatus.SENT, DispatchStatus.ACCEPTED)
_OPEN = [status.value for status in OPEN]


class DispatchQuerySet(models.QuerySet["Dispatch"]):
    """Queries of instructions."""

    def open(self) -> Self:
        """Those whose goods are reserved."""
        return self.filter(status__in=OPEN)

    def overdue(self, now: datetime) -> Self:
        """Those of which `Dispatch.is_overdue` at `now` (UTC)."""
        is_given_up, is_reminded = Q(answer_due_at=None), Q(reminded_at__isnull=False)
        return self.open().filter(is_given_up | is_reminded | Q(answer_due_at__lte=now))

    def lock_in_order(self) -> list[Dispatch]:
        """Lock them by primary key for the rest of the transaction. Lock their orders first."""
        return list(self.select_for_update(no_key=True, of=("self",)).order_by("pk"))


class Dispatch(GuardedStatus, models.Model):
    """An instruction to one warehouse: send these lines of this order. All times are UTC.

    A warehouse may have several open ones of an order: the later ones are about what another refused to send.

    `reasons` says why this warehouse was chosen, as codes and figures. `refusal` is the warehouse's code, `message` its
    words. `sent_at` is when it was handed out first, `accepted_at` when the warehouse took it, `ended_at` when it was
    refused, sent off or cancelled. `answer_due_at` is until when it is to confirm a parcel: then it is reminded
    (`reminded_at`), and after as long again a case is opened; empty once nothing is waited for.
    """

    order = models.ForeignKey(
        "orders.Order", models.PROTECT, related_name="dispatches", db_index=False, verbose_name=_("order")
    )
    warehouse = models.ForeignKey(
        "logistics.Warehouse", models.PROTECT, db_index=False, verbose_name=_("warehouse")
    )
    status = FSMField(
        _("status"),
        max_length=10,
        default=DispatchStatus.WAITING,
        choices=DispatchStatus.choices,
        protected=True,
        db_index=False,
    )
    reasons = models.JSONField(_("why this warehouse"), default=dict)
    refusal = models.CharField(_("reason"), max_length=64, default="", blank=True)
    message = models.CharField(_("the warehouse's words"), max_length=500, default="", blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, editable=False)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, editable=False)
    answer_due_at = models.DateTimeField(_("answer due at"), null=True, editable=False)
    reminded_at = models.DateTimeField(_("reminded at"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    objects = DispatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("dispatch instruction")
        verbose_name_plural = _("dispatch instructions")
        ordering = ["-id"]
        permissions = [("manage_dispatch", _("Can route, move and cancel dispatch instructions"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=DispatchStatus.values), name="dispatch_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="dispatch_of_order"),
            models.Index(fields=["warehouse", "id"], name="dispatch_open", condition=Q(status__in=_OPEN)),
            models.Index(
                fields=["answer_due_at", "id"],
                name="dispatch_silent",
                condition=Q(answer_due_at__isnull=False),
            ),
            models.Index(fields=["warehouse", "id"], name="dispatch_of_warehouse"),
            models.Index(
                fields=["status", "id"],
                name="dispatch_not_sent_off",
                condition=~Q(status=DispatchStatus.SHIPPED.value),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} #{self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether its goods are reserved."""
        return self.status in OPEN

    def is_overdue(self, now: datetime) -> bool:
        """Whether its warehouse has confirmed no parcel in time at `now` (UTC): it is reminded then, and a case later."""
        if not self.is_open:
            return False
        return self.answer_due_at is None or self.reminded_at is not None or self.answer_due_at <= now

    @transition(field=status, source=["waiting", "sent"], target=DispatchStatus.SENT.value)
    def hand_out(self) -> None:
        """The warehouse has fetched it."""

    @transition(field=status, source=["waiting", "sent"], target=DispatchStatus.ACCEPTED.value)
    def accept(self) -> None:
        """The warehouse has acknowledged it."""

    @transition(field=status, source=_OPEN, target=DispatchStatus.SENT.value)
    def remind(self) -> None:
        """It is handed out again, since no parcel was confirmed."""

    @transition(field=status, source=_OPEN, target=DispatchStatus.REFUSED.value)
    def refuse(self) -> None:
        """The warehouse does not send it."""

    @transition(field=status, source=_OPEN, target=DispatchStatus.SHIPPED.value)
    def ship(self) -> None:
        """All of it is in parcels."""

    @transition(field=status, source=_OPEN, target=DispatchStatus.CANCELLED.value)
    def cancel(self) -> None:
        """The goods are to stay."""


class DispatchLine(models.Model):
    """The quantity of an order line that an instruction is about, and how much of it is in parcels."""

    dispatch = models.ForeignKey(Dispatch, models.PROTECT, related_name="lines", db_index=False)
    order_line = models.ForeignKey(
        "orders.OrderLine", models.PROTECT, related_name="+", verbose_name=_("order line")
    )
    product_id = models.CharField(_("product"), max_length=64)
    quantity = models.PositiveIntegerField(_("quantity"))
    shipped = models.PositiveIntegerField(_("shipped"), default=0)

    class Meta:
        verbose_name = _("line of an instruction")
        verbose_name_plural = _("lines of instructions")
        constraints = [
            models.UniqueConstraint(fields=["dispatch", "order_line"], name="dispatch_line_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, shipped__lte=models.F("quantity")), name="dispatch_line_quantity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} ×{self.quantity}"

    @property
    def left(self) -> int:
        """What is in no parcel yet."""
        return self.quantity - self.shipped
