"""Saves outside accounts: checks the keys of a file, finds or creates the row, seals the secrets.

`read_keys`, the adapter's own check, then `lock_or_new` and `write_keys` in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.validators import slug_re
from django.utils import timezone
from django.utils.translation import gettext as _

from ordersite.outside_accounts.errors import account_of_another, bad_account
from ordersite.outside_accounts.files import NamesKeys, split, unknown_keys
from ordersite.outside_accounts.model import OutsideAccount

SLUG_LENGTH = 40

Account = TypeVar("Account", bound=OutsideAccount)


@dataclass(frozen=True, slots=True)
class SplitKeys:
    """The keys of an account file: `config` may be shown, `secrets` never."""

    config: dict[str, Any]
    secrets: dict[str, Any]


def read_keys(
    adapter: NamesKeys, slug: str, values: Mapping[str, Any], *, problems: Sequence[str] = ()
) -> SplitKeys:
    """Split the values into config and secrets, texts stripped and empty ones left out.

    `problems` are those that the caller has found. Raises bad_account with them, for a key that the adapter does not
    know and for a slug that is no part of an address.
    """
    found = [
        *([] if _is_slug(slug) else [_("The slug must be up to 40 letters, digits, - and _.")]),
        *(
            _("%(key)s is not a key of this account.") % {"key": name}
            for name in unknown_keys(adapter, values)
        ),
        *problems,
    ]
    if found:
        raise bad_account(slug, found)
    texts = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    return SplitKeys(*split(adapter, texts))


def _is_slug(slug: str) -> bool:
    return len(slug) <= SLUG_LENGTH and slug_re.match(slug) is not None


def lock_or_new(accounts: type[Account], slug: str, **owner: Any) -> Account:
    """Lock the account of this slug, or build a new one with the columns of `owner`. Call inside a transaction.

    Raises account_of_another where the account's columns differ from `owner`.
    """
    account: Account | None = accounts._default_manager.select_for_update().filter(slug=slug).first()
    if account is None:
        return accounts(slug=slug, **owner)
    if any(getattr(account, name) != value for name, value in owner.items()):
        raise account_of_another(slug)
    return account


def write_keys(account: OutsideAccount, keys: SplitKeys) -> None:
    """Seal and save the keys, and close the circuit: a new key deserves a new trial."""
    account.config = keys.config
    account.seal_secrets(keys.secrets)
    account.changed_at = timezone.now()
    account.failures_in_a_row, account.next_call_at = 0, None
    account.save()
