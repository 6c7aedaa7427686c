"""`set_payment_account`: create or change a payment account from a file and print its notify URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders.management.account_command import AccountCommand
from orders.models import Merchant
from payments.accounts.keys import notify_url
from payments.accounts.on_server import save_on_server


class Command(AccountCommand):
    help = "Makes or changes a payment account and prints its notify URL."
    company = "provider"

    def save(self, slug: str, *, company: str, merchant: Merchant, data: Mapping[str, Any]) -> str:
        return notify_url(save_on_server(slug, provider=company, merchant=merchant, values=data))
