"""Show the encrypted content of a stored webhook call."""

from __future__ import annotations

import json

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ordersite.lib.adminkit import badges
from ordersite.lib.adminkit.raw_call import masked_json, preformatted
from ordersite.lib.crypto import CannotDecrypt
from payments.accounts.keys import keys_of
from payments.models import PaymentNotification
from payments.providers.errors import Rejected
from payments.providers.interface import DecryptsContent
from payments.providers.registry import PROVIDERS


def shown_content(row: PaymentNotification, body: bytes) -> SafeString:
    """Render the decrypted content of the call; a dash when the provider encrypts none."""
    provider = PROVIDERS.get(row.account.provider)
    if not isinstance(provider, DecryptsContent):
        return badges.NOTHING
    try:
        content = provider.decrypted_content(body, keys_of(row.account))
    except (CannotDecrypt, Rejected, ValueError):
        return format_html("{}", _("The keys of this account do not open it."))
    return preformatted(json.dumps(masked_json(content), ensure_ascii=False, indent=2))
