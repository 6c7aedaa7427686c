"""Accounts at the vendors of messages."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ordersite.outside_accounts.model import OutsideAccount


class MessageAccount(OutsideAccount):
    """A merchant's account at a vendor of messages, or a robot that writes to a group of its staff.

    One process at a time has its lease (`leased_until`) and alone sends through it, or renews its access token. The token
    is sealed to the row and shared by all processes; `token_expires_at` is its end, a little early. The token of the
    address for delivery reports is one of the sealed secrets; only its SHA-256 can be looked up. `unusable_since` is when
    a vendor said that the account cannot be used as it is; empty while it can. All times are UTC.
    """

    lease_column = "leased_until"

    channel = models.CharField(_("channel"), max_length=20)
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    leased_until = models.DateTimeField(null=True, editable=False)
    push_token_digest = models.CharField(max_length=64, editable=False)
    sealed_token = models.TextField(default="", editable=False)
    token_expires_at = models.DateTimeField(null=True, editable=False)
    unusable_since = models.DateTimeField(_("unusable since"), null=True, editable=False)
    last_problem = models.CharField(_("last problem"), max_length=200, default="", editable=False)

    class Meta:
        verbose_name = _("message account")
        verbose_name_plural = _("message accounts")
        constraints = [
            models.UniqueConstraint(fields=["push_token_digest"], name="message_account_push_token")
        ]
        indexes = [models.Index(fields=["merchant", "id"], name="message_account_of_merchant")]

    @property
    def takes_messages(self) -> bool:
        """Whether new messages may be planned for it: it is on, and not known to be unusable just now."""
        return self.is_active and not (self.unusable_since is not None and self.is_circuit_open)

    @property
    def token_place(self) -> str:
        """What the sealed access token is bound to."""
        return f"{self._meta.db_table}.token.{self.slug}"
