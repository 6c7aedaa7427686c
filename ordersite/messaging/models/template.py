"""The texts of messages."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.messaging.models.events import CHINESE, LANGUAGES, MessageEvent


class MessageTemplate(models.Model):
    """What a shop's message says, in one language; without a row the product's own text holds (`texts.shipped`).

    `text` is the SMS and the e-mail, `subject` the e-mail's; `wechat` is one line for each field of the shop's template
    at WeChat: `thing1: {products}`. A rule's text has a `name`, which the `templates` of account files name as well.
    Variables are a fixed list (`texts.variables`), checked when a text is saved.
    """

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    event = models.CharField(_("message"), max_length=40, choices=MessageEvent.choices)
    name = models.SlugField(
        pgettext_lazy("template", "name"), max_length=40, default="", blank=True, db_index=False
    )
    language = models.CharField(_("language"), max_length=10, choices=LANGUAGES, default=CHINESE)
    subject = models.CharField(_("subject of the e-mail"), max_length=100, default="", blank=True)
    text = models.TextField(_("text"), max_length=500)
    wechat = models.TextField(_("fields of the WeChat template"), max_length=1000, default="", blank=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("message text")
        verbose_name_plural = _("message texts")
        ordering = ["merchant", "event", "name", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "event", "name", "language"],
                name="message_template_once",
                violation_error_message=_("There is a text of this name and language already."),
            ),
            models.CheckConstraint(
                condition=(Q(event=MessageEvent.RULE.value) & ~Q(name=""))
                | (~Q(event=MessageEvent.RULE.value) & Q(name="")),
                name="message_template_named",
                violation_error_message=_("The text of a rule needs a name; all others have none."),
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.get_event_display())
