"""How a shop writes to its buyers."""

from __future__ import annotations

from datetime import time

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ordersite.messaging.models.events import CHINESE, LANGUAGES

# The cheapest that reach a person first; an account decides which of them a shop has.
CHANNEL_ORDER = ("wechat_template", "wechat_subscribe", "aliyun_sms", "tencent_sms", "email")
QUIET_FROM, QUIET_TO = time(22), time(8)


class MessageSettings(models.Model):
    """How one shop writes to its buyers; without a row the defaults hold.

    `channels` are tried one after the other; `events_off` are facts that nobody is told. Between `quiet_from` and
    `quiet_to` (both in `time_zone`, across midnight where the first is later) only what cannot wait is sent; both empty:
    no quiet hours. `most_a_day`: messages to one person on one day, over each channel.
    """

    merchant = models.OneToOneField(
        "orders.Merchant", models.CASCADE, related_name="message_settings", verbose_name=_("merchant")
    )
    is_on = models.BooleanField(_("messages to buyers"), default=True)
    language = models.CharField(_("language"), max_length=10, choices=LANGUAGES, default=CHINESE)
    channels = models.JSONField(_("order of channels"), default=list, blank=True)
    events_off = models.JSONField(_("not told"), default=list, blank=True)
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True, default=QUIET_FROM)
    quiet_to = models.TimeField(_("quiet until"), null=True, blank=True, default=QUIET_TO)
    time_zone = models.CharField(_("time zone of the buyers"), max_length=40, default="Asia/Shanghai")
    most_a_day = models.PositiveSmallIntegerField(
        _("most messages to one person a day"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
    )

    class Meta:
        verbose_name = _("message settings")
        verbose_name_plural = _("message settings")

    def __str__(self) -> str:
        return str(self.merchant)

    @property
    def order_of_channels(self) -> tuple[str, ...]:
        """The channels in the order in which they are tried."""
        return tuple(self.channels) or CHANNEL_ORDER
