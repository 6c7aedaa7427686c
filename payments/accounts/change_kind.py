"""What decides where a shop's money goes: operations propose, finance or a supervisor approves.

That is new payment accounts, changed keys or addresses, and switching an account on. Off is an emergency: one person
switches off at once, and the approvers get mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.approvals import changes, server_changes
from orders.approvals.change_kind import ChangeKind, Draft
from orders.models import ChangeRequest, Merchant
from ordersite.outside_accounts.errors import account_of_another
from ordersite.outside_accounts.fingerprints import described, fingerprint
from ordersite.outside_accounts.secrets import seal, unseal
from payments.accounts import save
from payments.accounts.errors import unknown_account
from payments.accounts.keys import keys_of
from payments.models import PaymentAccount

_TABLE = "orders_changerequest"
# Names of shown values; those of account files have no such ones.
_SWITCH, _WHOLE = "is_active", "keys_fingerprint"


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
            after=_shown(account.provider, keys.config, keys.secrets),
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
            after=_shown(account.provider, keys.config, keys.secrets),
            values={"provider": account.provider},
            sealed_values=_sealed(account.slug, values),
        )

    return changes.propose(ACCOUNT, draft, user=user, reason=reason)


def propose_on(account_id: int, *, user: AbstractUser, reason: str) -> ChangeRequest:
    """Propose that new payments begin at an account that is off.

    Raises `DomainError`: not_allowed, reason_missing, nothing_changes, proposal_waiting.
    """

    def draft() -> Draft:
        account = PaymentAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        return Draft(
            subject=account.slug,
            subject_id=account.pk,
            merchant=account.merchant,
            before={_SWITCH: str(account.is_active)},
            after={_SWITCH: str(True)},
        )

    return changes.propose(ACCOUNT, draft, user=user, reason=reason)


def switch_off(account_id: int, *, user: AbstractUser) -> None:
    """Let no new payment begin at an account, at once; audited, and the others who may approve get mail."""
    with transaction.atomic():
        account = PaymentAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        PaymentAccount.objects.filter(pk=account_id).update(is_active=False)
        row = server_changes.Changed(ACCOUNT.table, account_id, account.slug)
        server_changes.note(
            row, before={_SWITCH: str(account.is_active)}, after={_SWITCH: str(False)}, by=user
        )


def shown_keys(account: PaymentAccount) -> dict[str, str]:
    """An account's settings, and fingerprints of its secrets, by the names of its file. Raises `CannotDecrypt`."""
    keys = keys_of(account)
    return _shown(account.provider, keys.config, keys.secrets)


def _shown(provider: str, config: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, str]:
    """With the fingerprint of the whole, by which notifications and the history name this state of the keys."""
    whole = fingerprint({**config, **secrets})
    return {"provider": provider, _WHOLE: whole, **described(config, secrets)}


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
        if account is None:
            return {}
        # An account whose secrets cannot be opened may be switched; its keys are not looked at then.
        if set(request.changes) == {_SWITCH}:
            return {_SWITCH: str(account.is_active)}
        return shown_keys(account)

    def write(self, request: ChangeRequest) -> int:
        if request.subject_id is not None and _SWITCH in request.changes:
            PaymentAccount.objects.filter(pk=request.subject_id).update(is_active=True)
            return request.subject_id
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

    def label_of(self, name: str) -> str:
        labels = {_SWITCH: _("active"), _WHOLE: _("fingerprint of the keys")}
        return str(labels.get(name, name))

    def text_of(self, name: str, value: str) -> str:
        words = {"True": gettext("yes"), "False": gettext("no")}
        return words.get(value, value) if name == _SWITCH else value

    def merchant_of(self, request: ChangeRequest) -> Merchant | None:
        return request.merchant


ACCOUNT = AccountKind()
