"""The genuine notification of UnionPay for the forgery test."""

from __future__ import annotations

from payments.providers.tests.genuine import GenuineNotification
from payments.providers.unionpay.tests.messages import account, call, notification

GENUINE = {
    "": GenuineNotification(lambda: (call(notification()), account()), 15_000, is_raw_signed=False),
}
