"""The access token of an account: sealed on its row, shared by all processes, renewed by the one that has its lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ordersite.lib.crypto import CannotDecrypt
from ordersite.messaging.models import MessageAccount
from ordersite.messaging.senders.types import AccessToken

# A token that ends sooner is renewed first: the call may take its time.
_EARLY = timedelta(minutes=5)


def token_of(account: MessageAccount, *, now: datetime) -> str:
    """The token as it stands on this row; empty where there is none that still holds."""
    expires = account.token_expires_at
    if not account.sealed_token or expires is None or expires <= now:
        return ""
    try:
        return settings.KEY_RING.open(account.sealed_token, bound_to=account.token_place)
    except CannotDecrypt:
        return ""  # sealed with a key that is gone: a new one is fetched


def keep_token(account: MessageAccount, token: AccessToken) -> None:
    """Seal a new token to the account's row. Call with the account's lease."""
    account.sealed_token = settings.KEY_RING.seal(token.value, bound_to=account.token_place)
    account.token_expires_at = max(token.expires_at - _EARLY, timezone.now() + timedelta(seconds=30))
    MessageAccount.objects.filter(pk=account.pk).update(
        sealed_token=account.sealed_token, token_expires_at=account.token_expires_at
    )


def drop_token(account: MessageAccount) -> None:
    """Forget a token that the vendor refuses, unless a newer one has taken its place already."""
    MessageAccount.objects.filter(pk=account.pk, sealed_token=account.sealed_token).update(
        sealed_token="", token_expires_at=None
    )
