"""Pages of the stop list: an address is typed in once and never shown again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant
from ordersite.lib.adminkit import columns, fields
from ordersite.lib.adminkit.add_form import AddByFormMixin
from ordersite.lib.adminkit.confirmed import Confirmed, ConfirmedActionsMixin, ReasonForm, person
from ordersite.lib.adminkit.read_only import ReadOnlyAdmin
from ordersite.messaging.models import AddressKindChoices, StopListEntry
from ordersite.messaging.stop_list import allow_again, stop


class StopForm(forms.Form):
    merchant = forms.ModelChoiceField(Merchant.objects.all(), label=_("merchant"), widget=fields.select())
    kind = forms.ChoiceField(label=_("kind"), choices=AddressKindChoices.choices, widget=fields.select())
    address = forms.CharField(label=_("address"), max_length=200, widget=fields.text_input())
    reason = forms.CharField(label=_("Reason"), max_length=200, widget=fields.text_input())


def _allow(_request: HttpRequest, entry: StopListEntry, _data: Mapping[str, Any]) -> Promise:
    allow_again(entry)
    return _("Messages may be sent to this address again.")


@admin.register(StopListEntry)
class StopListEntryAdmin(AddByFormMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    list_display = ("masked", "kind", "merchant", "reason", "since")
    list_filter = ("kind", "merchant")
    list_select_related = ("merchant", "created_by")
    fields = ("masked", "kind", "merchant", "reason", "created_by", "created_at")
    add_by = StopForm
    add_title = _("Put an address on the stop list")
    add_explain = _("Nothing is sent to it any more. Only a fingerprint of the address is kept.")
    since = columns.plain("created_at", _("created at"))
    confirmed = (
        Confirmed(
            "allow",
            _("Take off the list"),
            "messaging.change_stoplistentry",
            _("Do this only if the buyer asked for it."),
            _allow,
            form=ReasonForm,
            icon="undo",
        ),
    )

    def create(self, request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
        entry = stop(
            data["merchant"],
            kind=data["kind"],
            address=data["address"],
            reason=data["reason"],
            by=person(request),
        )
        self.log_addition(request, entry, "add")
        return HttpResponseRedirect(reverse("admin:messaging_stoplistentry_changelist"))

    def after_action(self, row: models.Model) -> str:
        return reverse("admin:messaging_stoplistentry_changelist")
