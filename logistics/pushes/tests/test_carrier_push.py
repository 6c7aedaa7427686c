"""A push in a carrier's own form, from its address to the parcel: stored, answered in its words, applied."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from logistics.accounts import save_account
from logistics.carriers.sto.tests.account import CONFIG, NUMBER
from logistics.carriers.sto.tests.test_pushes import pushed
from logistics.models import CarrierNotification, Shipment
from logistics.pushes.apply import apply_pushes
from logistics.tests.builders import build_shipment

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "application/x-www-form-urlencoded"


def test_signed_push_of_sto_moves_its_parcel() -> None:
    parcel = build_shipment(carrier="sto", number=NUMBER)
    data = {
        **CONFIG, "gateway_url": "https://cloudinter-linkgateway.sto.cn/gateway/link.do", "secret_key": "SECRET",
        "site_password": "abc123",
    }  # fmt: skip
    address = save_account("sto", carrier="sto", merchant=parcel.merchant, data=data).push_url
    path = "/" + address.split("/", 3)[3]

    forged: Any = Client().post(path, pushed(secret="OTHER"), content_type=FORM)
    taken: Any = Client().post(path, pushed(), content_type=FORM)

    assert (forged.json()["success"], taken.status_code) == (False, 200)
    assert taken.json() == {"success": True, "errorCode": "", "errorMsg": ""}
    assert apply_pushes() == 1
    after = Shipment.objects.get(pk=parcel.pk)
    assert (after.tracking_status, after.was_pushed) == ("out_for_delivery", True)
    assert list(after.events.values_list("provider_code", "source")) == [("派件", "sto")]
    assert CarrierNotification.objects.filter(outcome="applied").count() == 1
