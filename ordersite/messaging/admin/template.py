"""The page of a shop's message texts: checked when saved, with a preview and its length."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from orders.admin.audited_settings import AuditedSettingsAdmin
from ordersite.lib.adminkit import badges
from ordersite.messaging.models import MessageEvent, MessageTemplate
from ordersite.messaging.models.events import OF_PARCELS
from ordersite.messaging.texts.lengths import OF_SEVERAL, ONE_PART, sms_parts
from ordersite.messaging.texts.shipped import shipped_text
from ordersite.messaging.texts.values import EXAMPLE
from ordersite.messaging.texts.variables import OF_A_PARCEL, VARIABLES, fill, problems_of
from ordersite.messaging.texts.wechat_fields import field_problems, fill_fields

TEXTS = ("subject", "text", "wechat")
_NOT_WRITTEN = (MessageEvent.NOTICE.value,)


def allowed_variables(event: str) -> tuple[str, ...]:
    """The variables that a text for this fact may have: of a parcel's only where there is one."""
    is_of_parcel = event in OF_PARCELS
    return tuple(name for name in VARIABLES if is_of_parcel or name not in OF_A_PARCEL)


class MessageTemplateForm(forms.ModelForm):
    """Checks the variables of each text."""

    class Meta:
        model = MessageTemplate
        fields = ("merchant", "event", "name", "language", *TEXTS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "text" in self.fields:  # who only looks has no fields
            names = ", ".join(f"{{{name}}}" for name in VARIABLES)
            self.fields["text"].help_text = _("SMS and e-mail. Variables: %(names)s") % {"names": names}
            self.fields["wechat"].help_text = _(
                "One field of your template at WeChat a line, like thing1: {products}"
            )
        if "event" in self.fields:
            choices = [one for one in MessageEvent.choices if one[0] not in _NOT_WRITTEN]
            self.fields["event"].choices = choices  # type: ignore[attr-defined]
            self.fields["name"].help_text = _(
                "For the text of a rule alone. Account files name its template by it."
            )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        event = data.get("event") or self.instance.event
        allowed = allowed_variables(event)
        for name in ("subject", "text"):
            for problem in problems_of(data.get(name) or "", allowed=allowed):
                self.add_error(name, ValidationError(problem))
        if "\n" in (data.get("subject") or ""):
            self.add_error("subject", ValidationError(_("The subject is one line.")))
        for problem in field_problems(data.get("wechat") or "", allowed=allowed):
            self.add_error("wechat", ValidationError(problem))
        return data


@admin.register(MessageTemplate)
class MessageTemplateAdmin(AuditedSettingsAdmin):
    form = MessageTemplateForm
    list_display = ("fact", "merchant", "language", "beginning", "length")
    list_filter = ("merchant", "event", "language")
    set_once = ("merchant", "event", "name", "language")
    settings = TEXTS

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        fields = super().get_fields(request, obj)
        return [*fields, "preview"] if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "preview"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the product's own text for the fact of the address (`?event=order.paid`)."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        event = initial.get("event", "")
        if event in MessageEvent.values and (text := shipped_text(MessageEvent(event), "zh-hans")):
            initial |= {"subject": text.subject, "text": text.text, "wechat": text.wechat}
        return initial

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm[Any], change: bool) -> None:
        obj.changed_at = timezone.now()
        super().save_model(request, obj, form, change)

    @admin.display(description=_("message"))
    def fact(self, text: MessageTemplate) -> str:
        return str(text)

    @admin.display(description=_("text"))
    def beginning(self, text: MessageTemplate) -> str:
        return text.text if len(text.text) <= 40 else f"{text.text[:40]}…"

    @admin.display(description=_("length"))
    def length(self, text: MessageTemplate) -> str:
        return _length_of(fill(text.text, EXAMPLE))

    @admin.display(description=_("preview"))
    def preview(self, text: MessageTemplate) -> SafeString:
        """Each text with the values of an example, and how long it is."""
        written = fill(text.text, EXAMPLE)
        lines = fill_fields(text.wechat, EXAMPLE).items() if text.wechat else ()
        return badges.facts(
            [
                (_("SMS"), format_html("{}<br>{}", written, _length_of(written))),
                (_("subject of the e-mail"), fill(text.subject, EXAMPLE) or written[:60]),
                (_("WeChat"), format_html_join("", "{}: {}<br>", lines) if lines else ""),
            ]
        )


def _length_of(text: str) -> str:
    parts = sms_parts(text)
    of_parts = ngettext(
        "%(characters)d characters, %(parts)d SMS", "%(characters)d characters, %(parts)d SMS", parts
    )
    bound = _("(1 SMS: up to %(one)d, several: %(several)d each, the signature counts too)")
    counts = {"characters": len(text), "parts": parts, "one": ONE_PART, "several": OF_SEVERAL}
    return f"{of_parts % counts} {bound % counts}"
