"""The page of a shop's message settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from orders.admin.audited_settings import AuditedSettingsAdmin
from ordersite.lib.adminkit import badges
from ordersite.messaging.labels import channel_label
from ordersite.messaging.models import MessageSettings
from ordersite.messaging.models.events import OF_ORDERS
from ordersite.messaging.models.settings import CHANNEL_ORDER

SETTINGS = (
    "is_on", "language", "channels", "events_off", "quiet_from", "quiet_to", "time_zone", "most_a_day",
)  # fmt: skip


class ChannelOrderWidget(forms.MultiWidget):
    """A list of choices for each place."""

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__([UnfoldAdminSelectWidget(choices=choices) for _place in CHANNEL_ORDER])

    def decompress(self, value: Any) -> list[str]:
        return list(value) if isinstance(value, list) else []


class ChannelOrderField(forms.MultiValueField):
    """The channels in the order in which they are tried; empty places are left out, all empty: the product's order."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("", "–"), *((name, channel_label(name)) for name in CHANNEL_ORDER)]
        places = [forms.ChoiceField(choices=choices, required=False) for _place in CHANNEL_ORDER]
        super().__init__(places, widget=ChannelOrderWidget(choices), require_all_fields=False, **kwargs)

    def compress(self, data_list: Any) -> list[str]:
        chosen = [name for name in data_list or [] if name]
        if len(chosen) != len(set(chosen)):
            raise ValidationError(_("Each channel stands once."))
        return chosen


class MessageSettingsForm(forms.ModelForm):
    channels = ChannelOrderField(
        label=_("order of channels"),
        required=False,
        help_text=_(
            "Tried one after the other, where there is an account. None chosen: the product's order."
        ),
    )
    events_off = forms.MultipleChoiceField(
        label=_("not told"),
        required=False,
        choices=[(one.value, one.label) for one in OF_ORDERS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    class Meta:
        model = MessageSettings
        fields = ("merchant", *SETTINGS)

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"])
        if name not in available_timezones():
            raise ValidationError(_("There is no such time zone."))
        return name

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if (data.get("quiet_from") is None) != (data.get("quiet_to") is None):
            raise ValidationError(_("Quiet hours have a beginning and an end, or neither."))
        return data


@admin.register(MessageSettings)
class MessageSettingsAdmin(AuditedSettingsAdmin):
    form = MessageSettingsForm
    list_display = ("merchant", "state", "language", "ways", "quiet", "most_a_day")
    set_once = ("merchant",)
    settings = SETTINGS

    @admin.display(description=_("messages to buyers"))
    def state(self, row: MessageSettings) -> Any:
        return badges.badge(_("on"), tone="good") if row.is_on else badges.badge(_("off"))

    @admin.display(description=_("order of channels"))
    def ways(self, row: MessageSettings) -> str:
        return " → ".join(channel_label(name) for name in row.order_of_channels)

    @admin.display(description=_("quiet hours"))
    def quiet(self, row: MessageSettings) -> Any:
        if row.quiet_from is None or row.quiet_to is None:
            return badges.NOTHING
        return f"{row.quiet_from:%H:%M}–{row.quiet_to:%H:%M}"
