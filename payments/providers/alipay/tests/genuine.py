"""Genuine notifications of Alipay for the forgery test: in key mode and in certificate mode."""

from __future__ import annotations

from payments.providers.alipay.tests.messages import account, call, notification
from payments.providers.alipay.tests.test_certificates import certified
from payments.providers.alipay.tests.test_certificates import notification as certified_notification
from payments.providers.tests.genuine import GenuineNotification

GENUINE = {
    "by key": GenuineNotification(lambda: (call(notification()), account()), 25_000, is_raw_signed=False),
    "by certificate": GenuineNotification(
        lambda: (call(certified_notification()), certified()), 10_000, is_raw_signed=False
    ),
}
