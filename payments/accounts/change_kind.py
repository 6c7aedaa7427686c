"""New payment accounts and changed keys or addresses: operations propose, finance or a supervisor approves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext_lazy as _

from orders.approvals import changes
from orders.approvals.change_kind import ChangeKind, Draft
from orders.models import ChangeRequest, Merchant
from ordersite.outside_accounts.errors import account_of_another
from ordersite.outside_accounts.fingerprints import described
from ordersite.outside_accounts.secrets import seal, unseal
from payments.accounts import save
from payments.accounts.errors import unknown_account
from payments.accounts.keys import keys_of
from payments.models import PaymentAccount

_TABLE = "orders_changerequest"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Where an account shall stand: its name in addresses, its provider and its shop."""

    slug: str
    provider: str
    merchant: Merchant


def propose_account(
    account: NewAccount, values: Mapping[str, Any], *, user: AbstractUser, reason: str
) -> ChangeRequest:
    """Propose a new account with the keys of its file.

    Raises `DomainError`: bad_account, account_of_another (there is one of this name), not_allowed, reason_missing,
    proposal_waiting.
    """

    def draft() -> Draft:
        keys = save.checked_keys(account.slug, account.provider, values)
        if PaymentAccount.objects.filter(slug=account.slug).exists():
            raise account_of_another(account.slug)
        return Draft(
            subject=account.slug,
            merchant=account.merchant,
            before={},
            after={"provider": account.provider, **described(keys.config, keys.secrets)},
            values={"provider": account.provider},
            sealed_values=_sealed(account.slug, values),
        )

    return changes.propose(ACCOUNT, draft, user=user, reason=reason)


def propose_keys(
    account_id: int, values: Mapping[str, Any], *, user: AbstractUser, reason: str
) -> ChangeRequest:
    """Propose other values for the named keys of an account; the others stay, an empty value removes its key.

    Raises `DomainError`: bad_account, not_allowed, reason_missing, nothing_changes, proposal_waiting, cannot_decrypt.
    """

    def draft() -> Draft:
        account = PaymentAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        keys = save.changed_keys(account, values)
        return Draft(
            subject=account.slug,
            subject_id=account.pk,
            merchant=account.merchant,
            before=shown_keys(account),
            after={"provider": account.provider, **described(keys.config, keys.secrets)},
            values={"provider": account.provider},
            sealed_values=_sealed(account.slug, values),
        )

    return changes.propose(ACCOUNT, draft, user=user, reason=reason)


def shown_keys(account: PaymentAccount) -> dict[str, str]:
    """An account's settings, and fingerprints of its secrets, by the names of its file. Raises `CannotDecrypt`."""
    keys = keys_of(account)
    return {"provider": account.provider, **described(keys.config, keys.secrets)}


def _sealed(slug: str, values: Mapping[str, Any]) -> str:
    return seal(values, table=_TABLE, slug=slug)


class AccountKind(ChangeKind):
    """The wait of a single-operator shop serves for its accounts too."""

    key = "account_change"
    event = "account.change_proposed"
    tile = _("changed payment accounts to review")
    code = ChangeRequest.Kind.ACCOUNT
    table = "payments_paymentaccount"
    may_propose = "payments.change_paymentaccount"
    may_approve = "payments.approve_paymentaccount"

    def lock_values(self, request: ChangeRequest) -> Mapping[str, str]:
        locked = PaymentAccount.objects.select_for_update(no_key=True)
        account = locked.filter(slug=request.subject).first()
        return shown_keys(account) if account else {}

    def write(self, request: ChangeRequest) -> int:
        values = unseal(request.sealed_values, table=_TABLE, slug=request.subject)
        if request.subject_id is None:
            return self._make(request, values).pk
        account = PaymentAccount.objects.get(pk=request.subject_id)
        return save.change_account(account, values).pk

    def _make(self, request: ChangeRequest, values: Mapping[str, Any]) -> PaymentAccount:
        if request.merchant is None:
            raise unknown_account(request.subject)
        return save.save_account(
            request.subject, provider=request.values["provider"], merchant=request.merchant, values=values
        )

    def merchant_of(self, request: ChangeRequest) -> Merchant | None:
        return request.merchant


ACCOUNT = AccountKind()
