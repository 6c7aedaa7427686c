"""The forms of endpoints and of sending again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from orders.models import Merchant
from ordersite.lib.adminkit import fields
from ordersite.merchant_webhooks.catalogue import EVENTS
from ordersite.merchant_webhooks.models import WebhookEndpoint

_MOMENT = "%Y-%m-%d %H:%M"


def event_choices() -> list[tuple[str, str]]:
    """The catalogue: label and name, as receivers read it."""
    return [(one.name, f"{one.label} ({one.name})") for one in EVENTS]


class EndpointForm(forms.Form):
    """Address and events of an endpoint."""

    url = forms.CharField(
        label=_("address"),
        max_length=500,
        widget=fields.text_input(),
        help_text=_("An https address outside of this network. Redirects are not followed."),
    )
    events = forms.MultipleChoiceField(
        label=pgettext_lazy("webhook", "events"), choices=event_choices, widget=forms.CheckboxSelectMultiple
    )


class AddEndpointForm(EndpointForm):
    """The same, with the merchant whose orders it is about."""

    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    field_order = ("merchant", "url", "events")


def values_of(endpoint: WebhookEndpoint) -> Mapping[str, Any]:
    """What stands in the form of an endpoint when it is opened."""
    return {"url": endpoint.url, "events": endpoint.events}


class ResendForm(forms.Form):
    """Which messages are sent again, and why. Times are the shop's."""

    start = forms.DateTimeField(label=_("queued from"), input_formats=[_MOMENT], widget=fields.text_input())
    end = forms.DateTimeField(label=_("queued until"), input_formats=[_MOMENT], widget=fields.text_input())
    with_delivered = forms.BooleanField(
        label=_("also what was delivered"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=_(
            "For a receiver that has lost what it had. It gets each message once more, under its id."
        ),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("start") and data.get("end") and data["start"] >= data["end"]:
            raise ValidationError(_gettext("The end must be after the beginning."))
        return data


def last_day(_endpoint: WebhookEndpoint) -> Mapping[str, Any]:
    """The last 24 hours, in whole minutes."""
    now = timezone.localtime()
    return {
        "start": (now - timedelta(days=1)).strftime(_MOMENT),
        "end": (now + timedelta(minutes=1)).strftime(_MOMENT),
    }
