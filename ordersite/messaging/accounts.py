"""Saves message accounts from their files, and opens their keys for a sender."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils.translation import gettext as _

from orders.approvals import server_changes
from orders.models import Merchant
from ordersite.health.alerts import heal_alert
from ordersite.health.models import Alert
from ordersite.lib import crypto
from ordersite.messaging.models import MessageAccount
from ordersite.messaging.senders.registry import get_sender
from ordersite.messaging.senders.types import ChannelKeys
from ordersite.outside_accounts.errors import bad_account
from ordersite.outside_accounts.fingerprints import described
from ordersite.outside_accounts.save import SplitKeys, lock_or_new, read_keys, write_keys

TEMPLATES = "templates"
_PUSH_TOKEN = "push_token"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True)
class SavedMessageAccount:
    """`push_url`: the absolute address for the vendor's delivery reports. It contains a secret."""

    account: MessageAccount
    push_url: str


def save_account(
    slug: str, *, channel: str, merchant: Merchant, data: Mapping[str, Any]
) -> SavedMessageAccount:
    """Create or change an account from the keys of its file; an account keeps its address for reports.

    Raises `DomainError`: unknown_channel, bad_account (with every problem), account_of_another.
    """
    keys = checked_keys(slug, channel, data)
    with transaction.atomic():
        account = lock_or_new(MessageAccount, slug, channel=channel, merchant=merchant)
        token = _push_token_of(account) or crypto.new_token()
        account.push_token_digest = hashlib.sha256(token.encode()).hexdigest()
        # A token of the old keys is none of the new ones, and a new key deserves a new trial.
        account.sealed_token, account.token_expires_at = "", None
        account.unusable_since, account.last_problem = None, ""
        write_keys(account, SplitKeys(keys.config, {**keys.secrets, _PUSH_TOKEN: token}))
        heal_alert(Alert.Kind.MESSAGE_ACCOUNT, slug)
    return SavedMessageAccount(account, _push_url(channel, token))


def save_announced(
    slug: str, *, channel: str, merchant: Merchant, data: Mapping[str, Any], by: AbstractUser | None = None
) -> SavedMessageAccount:
    """Save an account for a person, or for a command on the server: audited, and the approvers get mail.

    Raises what `save_account` raises.
    """
    with transaction.atomic():
        old = MessageAccount.objects.select_for_update().filter(slug=slug).first()
        before = _shown(old) if old else {}
        saved = save_account(slug, channel=channel, merchant=merchant, data=data)
        row = server_changes.Changed(MessageAccount._meta.db_table, saved.account.pk, slug)
        server_changes.note(row, before=before, after=_shown(saved.account), by=by)
    return saved


def checked_keys(slug: str, channel: str, data: Mapping[str, Any]) -> SplitKeys:
    """The keys of a file, split. Raises `DomainError` unknown_channel, bad_account."""
    sender = get_sender(channel)
    wrong = [
        _("%(key)s must be text or a whole number.") % {"key": name}
        for name, value in data.items()
        if name != TEMPLATES and (isinstance(value, bool) or not isinstance(value, str | int))
    ]
    texts = {name: value if name == TEMPLATES else str(value) for name, value in data.items()}
    keys = read_keys(sender, slug, texts, problems=wrong)
    if problems := sender.check(ChannelKeys(channel, slug, keys.config, keys.secrets)):
        raise bad_account(slug, problems)
    return keys


def keys_of(account: MessageAccount) -> ChannelKeys:
    """The account as its sender takes it, without the token of its address. Raises `CannotDecrypt`."""
    secrets = account.open_secrets()
    secrets.pop(_PUSH_TOKEN, None)
    return ChannelKeys(
        channel=account.channel,
        slug=account.slug,
        config=account.config,
        secrets=secrets,
        version=account.keys_version,
    )


def push_url_of(account: MessageAccount) -> str:
    """The absolute address for the vendor's delivery reports. It contains a secret. Raises `CannotDecrypt`."""
    return _push_url(account.channel, str(account.open_secrets()[_PUSH_TOKEN]))


def template_id_of(account: MessageAccount, code: str) -> str:
    """The vendor's name of the template for a fact, or for the text of a rule; empty where the account names none."""
    templates = account.config.get(TEMPLATES)
    return str(templates.get(code, "")) if isinstance(templates, dict) else ""


def _push_token_of(account: MessageAccount) -> str:
    """The token of an account that is there and can be opened: its address stays."""
    if account.pk is None:
        return ""
    try:
        return str(account.open_secrets().get(_PUSH_TOKEN, ""))
    except crypto.CannotDecrypt:
        return ""


def _push_url(channel: str, token: str) -> str:
    return f"{settings.PUBLIC_BASE_URL}/push/message/{channel}/{token}/"


def _shown(account: MessageAccount) -> dict[str, str]:
    """Settings, and fingerprints of the secrets; a command also mends an account that cannot be opened any more."""
    try:
        keys = keys_of(account)
    except crypto.CannotDecrypt:
        return {name: str(value) for name, value in account.config.items()}
    return {"channel": account.channel, **described(keys.config, keys.secrets)}
