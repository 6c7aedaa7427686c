"""Finds the account of a push by the token in its address.

A token is looked up by its SHA-256, so that the time of a look-up says nothing about tokens that exist; the digests are
then compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac

from logistics.accounts import keys_of
from logistics.carriers.types import CarrierKeys
from logistics.models import CarrierAccount
from ordersite.outside_accounts.opened import Opened, OpenedAccounts

# Under the digest of its token.
Known = Opened[str, CarrierKeys]


def _find(digest: str) -> CarrierAccount | None:
    return CarrierAccount.objects.filter(push_token_digest=digest).first()


known_accounts = OpenedAccounts(_find, keys_of)


def account_of(carrier: str, token: str) -> Known | None:
    """The account that this address belongs to; None where there is none. Raises database errors and `CannotDecrypt`."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    known = known_accounts.get(digest)
    if known is None or not hmac.compare_digest(known.name, digest) or known.keys.carrier != carrier:
        return None
    return known
