"""`set_message_account`: create or change a message account from a file and print its address for delivery reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders.management.account_command import AccountCommand
from orders.models import Merchant
from ordersite.messaging.accounts import save_announced


class Command(AccountCommand):
    help = "Make or change a message account from a JSON file; prints the push URL."
    company = "channel"

    def save(self, slug: str, *, company: str, merchant: Merchant, data: Mapping[str, Any]) -> str:
        return save_announced(slug, channel=company, merchant=merchant, data=data).push_url
