"""Saving a payment account by a command on the server: it holds at once, is audited, and the approvers hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from orders.approvals import server_changes
from orders.models import Merchant
from ordersite.lib.crypto import CannotDecrypt
from payments.accounts.change_kind import ACCOUNT, shown_keys
from payments.accounts.save import save_account
from payments.models import PaymentAccount


def save_on_server(
    slug: str, *, provider: str, merchant: Merchant, values: Mapping[str, Any]
) -> PaymentAccount:
    """Make or change an account from the keys of its file. Raises what `save_account` raises."""
    with transaction.atomic():
        old = PaymentAccount.objects.select_for_update().filter(slug=slug).first()
        before = _shown(old) if old else {}
        account = save_account(slug, provider=provider, merchant=merchant, values=values)
        row = server_changes.Changed(ACCOUNT.table, account.pk, slug)
        server_changes.note(row, before=before, after=shown_keys(account))
    return account


def _shown(account: PaymentAccount) -> dict[str, str]:
    """A command also mends an account whose secrets cannot be opened any more."""
    try:
        return shown_keys(account)
    except CannotDecrypt:
        return {name: str(value) for name, value in account.config.items()}
