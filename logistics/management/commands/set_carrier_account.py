"""`set_carrier_account`: create or change a carrier account from a file and print its push address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logistics.accounts import save_announced
from orders.management.account_command import AccountCommand
from orders.models import Merchant


class Command(AccountCommand):
    help = "Make or change a carrier account from a JSON file; prints the push URL."
    company = "carrier"

    def save(self, slug: str, *, company: str, merchant: Merchant, data: Mapping[str, Any]) -> str:
        return save_announced(slug, carrier=company, merchant=merchant, data=data).push_url
