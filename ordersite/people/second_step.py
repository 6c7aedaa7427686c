"""The second step of a log-in: who needs it, setting it up, codes, recovery codes, taking it away."""

from __future__ import annotations

import secrets
from base64 import b32encode
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from ordersite.people import notices, sessions
from ordersite.people.models import (
    Authenticator,
    RecoveryCode,
    digest_of,
    is_recovery_code,
    seal_key,
    step_of,
)
from ordersite.people.notices import Happened

RECOVERY_CODES = 10
ISSUER = "ordersite"
# Rights that move money, decide about it, or change accounts and who has them.
_VERBS = ("approve_", "propose_", "import_", "settle_", "request_")
_RIGHTS = frozenset(
    {
        "payments.resolve_paymentexception",
        "payments.add_paymentaccount", "payments.change_paymentaccount",
        "payments.add_moneylimit", "payments.change_moneylimit", "payments.delete_moneylimit",
        "logistics.add_carrieraccount", "logistics.change_carrieraccount",
        "orders.add_apiclient", "orders.change_apiclient",
        "orders.add_merchant", "orders.change_merchant", "orders.add_merchantmember", "orders.change_merchantmember",
        "auth.add_user", "auth.change_user", "auth.add_group", "auth.change_group",
    }
)  # fmt: skip


def moves_money_or_changes_accounts(user: AbstractUser) -> bool:
    """Tell whether one of this person's rights does; superusers have all of them."""
    if user.is_superuser:
        return True
    return any(
        right in _RIGHTS or right.partition(".")[2].startswith(_VERBS) for right in user.get_all_permissions()
    )


def is_required_of(user: AbstractUser) -> bool:
    return settings.STAFF_TOTP == "required" and moves_money_or_changes_accounts(user)


def authenticator_of(user: AbstractUser) -> Authenticator | None:
    return Authenticator.objects.filter(user_id=user.pk).first()


def new_key() -> str:
    """Return a random base32 key of 160 bits."""
    return b32encode(secrets.token_bytes(20)).decode()


def address_for_app(user: AbstractUser, key: str) -> str:
    """Return the otpauth:// address that apps read from the QR code."""
    label = quote(f"{ISSUER}:{user.get_username()}", safe=":")
    return f"otpauth://totp/{label}?" + urlencode({"secret": key, "issuer": ISSUER})


@transaction.atomic
def set_up(user: AbstractUser, key: str, code: str) -> tuple[Authenticator, list[str]] | None:
    """Give the person an authenticator with this key, in place of an earlier one; return it and its recovery codes.

    None, and nothing is changed, when `code` is not the app's present one.
    """
    step = step_of(key, code)
    if step is None:
        return None
    replaced, _rows = Authenticator.objects.filter(user_id=user.pk).delete()
    device = Authenticator.objects.create(
        user=user, name="TOTP", sealed_key=seal_key(key, user_id=user.pk), last_step=step
    )
    notices.record(user, Happened.REPLACED if replaced else Happened.SET_UP, actor=user.get_username())
    return device, _make_codes(device)


@transaction.atomic
def check(user: AbstractUser, code: str) -> Authenticator | None:
    """Return the person's authenticator if this is a code of it or an unused recovery code, else None."""
    device = Authenticator.objects.select_for_update().filter(user_id=user.pk).first()
    if device is None or not device.verify_token(code):
        return None
    if is_recovery_code(code):
        notices.record(user, Happened.CODE_USED, actor=user.get_username())
    return device


def seconds_to_wait(device: Authenticator) -> int:
    """Return for how long no code is taken, since the last ones were wrong; 0 when the next is looked at."""
    is_allowed, why = device.verify_is_allowed()
    return 0 if is_allowed else max(int((why["locked_until"] - timezone.now()).total_seconds()) + 1, 1)


@transaction.atomic
def renew_codes(device: Authenticator) -> list[str]:
    """Return new recovery codes; the old ones work no more."""
    device.recovery_codes.all().delete()
    notices.record(device.user, Happened.CODES_RENEWED, actor=device.user.get_username())
    return _make_codes(device)


@transaction.atomic
def take_away(user: AbstractUser, *, actor: str, keep_session: str | None = None) -> bool:
    """Delete the person's authenticator and end their sessions but `keep_session`; False when there is none."""
    if not Authenticator.objects.filter(user_id=user.pk).delete()[0]:
        return False
    sessions.end_sessions(user.pk, but=keep_session)
    notices.record(user, Happened.TAKEN_AWAY, actor=actor)
    return True


def _make_codes(device: Authenticator) -> list[str]:
    raw = [b32encode(secrets.token_bytes(10)).decode() for _number in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(authenticator=device, digest=digest_of(code)) for code in raw
    )
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in raw]
