"""The forms of the merchant's pages: those of the back office in the site's own clothes."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from ordersite.merchant_webhooks.admin.forms import EndpointForm


class ShopEndpointForm(EndpointForm):
    """Address and events of an endpoint."""

    field_order = ("url", "events")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # Django's own arguments
        self.fields["url"].widget = forms.TextInput(attrs={"maxlength": 500, "inputmode": "url"})


class ShopResendForm(forms.Form):
    """Why a message is sent again."""

    reason = forms.CharField(label=_("Reason"), max_length=200)
