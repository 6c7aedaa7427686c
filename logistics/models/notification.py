"""The inbox of carriers' pushes. A row is also the queue entry; the raw call has its own table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ordersite.queue.inbox import InboxQuerySet, InboxRow, RawCall
from ordersite.queue.refused_calls import CountedCalls


class CarrierNotification(InboxRow):
    """What one push says of one parcel; a push about several parcels makes a row of each.

    A rejected call that is good with today's keys is stored anew, and its own row ends as REPLAYED.

    `check_result` is that of the call, `outcome` what applying it did. `carrier` and `corrected_carrier` are our codes,
    the second where the carrier says that the first was wrong. `facts_digest` is of what the push says: the same facts
    are stored once.
    """

    class Effect(models.TextChoices):
        WAITING = "", _("waiting")
        APPLIED = "applied", _("applied")
        DUPLICATE = "duplicate", _("nothing new")
        UNKNOWN_NUMBER = "unknown_number", _("unknown number")
        POISON = "poison", _("cannot be processed")
        REJECTED = "rejected", _("rejected")
        REPLAYED = "replayed", _("replayed")

    # No database constraint: its check would lock the one account row that all pushes of a shop share.
    account = models.ForeignKey(
        "logistics.CarrierAccount",
        models.PROTECT,
        db_index=False,
        db_constraint=False,
        verbose_name=_("carrier account"),
    )
    reject_detail = models.CharField(_("rejected place"), max_length=200, default="", blank=True)
    carrier = models.CharField(_("carrier"), max_length=20, default="", blank=True)
    tracking_number = models.CharField(_("waybill number"), max_length=40, default="", blank=True)
    corrected_carrier = models.CharField(_("corrected carrier"), max_length=20, default="", blank=True)
    event_count = models.PositiveSmallIntegerField(_("events"), default=0)
    facts_digest = models.CharField(max_length=64, default="", blank=True)
    outcome = models.CharField(
        _("outcome"), max_length=20, choices=Effect.choices, default=Effect.WAITING, blank=True
    )

    objects = InboxQuerySet["CarrierNotification"].as_manager()

    class Meta:
        verbose_name = _("carrier push")
        verbose_name_plural = _("carrier pushes")
        ordering = ["-id"]
        permissions = [("replay_carriernotification", _("Can replay carrier pushes"))]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "facts_digest"],
                name="push_once",
                condition=Q(check_result="verified"),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="push_waiting", condition=Q(done_at__isnull=True)),
            models.Index(
                fields=["tracking_number", "id"],
                name="push_number",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
            models.Index(
                fields=["account", "received_at"],
                name="push_rejected",
                condition=Q(check_result="rejected"),
            ),
            models.Index(
                fields=["outcome", "-id"],
                name="push_rare_outcome",
                condition=~Q(outcome__in=["", "applied", "duplicate"]),
            ),
            models.Index(fields=["account", "-id"], name="push_account"),
            # The rows of one call share its raw body, which stands with the first of them.
            models.Index(fields=["body_digest", "id"], name="push_body"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.tracking_number}"

    @property
    def raw_call(self) -> PushBody | None:
        """The call as it was received; it stands with the first row that its call made. None once it is deleted."""
        if self.is_rejected:
            return PushBody.objects.filter(pk=self.pk).select_related("notification").first()
        return (
            PushBody.objects.of_verified({self.body_digest})
            .filter(notification__account=self.account_id)
            .last()
        )


class PushBodyQuerySet(models.QuerySet["PushBody"]):
    """Queries of raw pushes."""

    def of_verified(self, digests: Collection[str]) -> Self:
        """Those of genuine pushes with these SHA-256 of their bodies; a forged copy of one has rows of its own."""
        rows = self.filter(notification__body_digest__in=digests, notification__check_result="verified")
        return rows.select_related("notification").order_by("pk")


def place_of_push(account_id: int, digest: str) -> str:
    """What a sealed push is bound to: the account and the SHA-256 of its body."""
    return f"logistics_pushbody.body.{account_id}.{digest}"


def routes_place(place: str) -> str:
    """What the sealed content of a push is bound to, beside its body in this place."""
    return f"{place}.routes"


class PushBody(RawCall):
    """The raw call of a push, at the first of its rows. `sealed_routes`: what it says, as it was read when it arrived.

    Both are sealed: they name places, and some carriers name the courier or the receiver.
    """

    SEALED = ("sealed_body", "sealed_routes")

    notification = models.OneToOneField(
        CarrierNotification, models.CASCADE, primary_key=True, related_name="raw", db_constraint=False
    )
    sealed_routes = models.BinaryField(default=b"")

    objects = PushBodyQuerySet.as_manager()

    class Meta:
        verbose_name = _("raw push")
        verbose_name_plural = _("raw pushes")

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def routes(self) -> bytes:
        """What the push says, as `logistics.pushes.store` wrote it. Raises `CannotDecrypt`."""
        return settings.KEY_RING.open_bytes(
            self.key_id, bytes(self.sealed_routes), bound_to=routes_place(self.place)
        )

    def reseal(self) -> dict[str, Any]:
        """Seal anew what is sealed, with the first key; returns the columns to save. Raises `CannotDecrypt`."""
        routes = self.routes
        columns = super().reseal()
        _key, sealed = settings.KEY_RING.seal_bytes(routes, bound_to=routes_place(self.place))
        return {**columns, "sealed_routes": sealed}

    @property
    def place(self) -> str:
        """What the body is bound to."""
        return place_of_push(self.notification.account_id, self.notification.body_digest)


class RefusedPush(CountedCalls):
    """Calls to the push addresses that are counted, not kept."""

    class Meta:
        verbose_name = _("refused push")
        verbose_name_plural = _("refused pushes")
        constraints = [models.UniqueConstraint(fields=["day", "path", "reason"], name="refused_push_row")]
