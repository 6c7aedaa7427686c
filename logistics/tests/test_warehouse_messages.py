"""What staff see of the messages to a warehouse: on its page, and try by try on the case."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from logistics.dispatch.instructions.tests.builders import build_pull
from logistics.dispatch.webhooks.call import PostReply, not_sent
from logistics.dispatch.webhooks.judge import judge
from logistics.dispatch.webhooks.record import MOST_FAILURES, record
from logistics.dispatch.webhooks.tests.builders import build_instructed
from logistics.models import DispatchWebhook, ShipmentException, WebhookResult
from logistics.warehouses.save import save_announced
from orders.tests.builders import build_merchant
from sandbox.tests.nobody import nobody

pytestmark = pytest.mark.django_db
SECRET = "whsec_" + "A" * 43 + "="


def get(path: str) -> str:
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_each_try_is_shown_in_words() -> None:
    data = {"name": "云仓", "adapter": "push", "push_url": nobody(), "secret": SECRET}
    warehouse = save_announced("cloud", merchant=build_merchant(), data=data).warehouse
    order, dispatch = build_instructed()
    message = DispatchWebhook.objects.get(dispatch=dispatch)
    failed = not_sent("provider_unreachable")
    for failures, reply in enumerate(
        (PostReply(WebhookResult.ANSWERED, 503, "仓库系统升级中"), failed, failed)
    ):
        if failures == 2:
            DispatchWebhook.objects.update(failures=MOST_FAILURES - 1)
        record([(judge([message.pk])[0], reply)])

    listed = get(f"/admin/logistics/warehouse/{warehouse.pk}/change/")
    case = ShipmentException.objects.get(kind="dispatch_unanswered")
    tried = get(f"/admin/logistics/shipmentexception/{case.pk}/change/")

    instruction = get(f"/admin/logistics/dispatch/{dispatch.pk}/change/")

    assert order.number in listed
    assert all(text in listed for text in ("多次尝试后已放弃", "地址无法连接。", "尝试 3 次"))
    assert all(text in tried for text in ("仓库系统升级中", "HTTP 503", "未能送达", "地址无法连接。"))
    assert all(text in instruction for text in ("给仓库的推送", "HTTP 503", "未能送达"))
    assert "provider_unreachable" not in listed + tried + instruction
    assert SECRET not in listed + tried + instruction


def test_an_instruction_that_is_fetched_has_no_messages() -> None:
    build_pull("hz", "浙江省")
    _order, dispatch = build_instructed()

    assert "给仓库的推送" not in get(f"/admin/logistics/dispatch/{dispatch.pk}/change/")
