"""Tries an account with one harmless call, for the person who set it up."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics.accounts import keys_of
from logistics.carrier_calls.log import store_calls
from logistics.carrier_calls.recorder import CallRecorder, RecordedCall
from logistics.carriers import registry
from logistics.carriers.interface import Operation
from logistics.carriers.types import CARRIER_ERRORS, CarrierError
from logistics.models import CarrierAccount
from logistics.tracking.account_health import note_answer
from logistics.tracking.throttle import CARRIERS
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError
from ordersite.outside_accounts.web_calls import web_calls

SECOND = timedelta(seconds=1)


def can_try(account: CarrierAccount) -> bool:
    """Whether the account's connector has a harmless call to try it with."""
    carrier = registry.CARRIERS.get(account.carrier)
    return carrier is not None and Operation.TRY_CONNECTION in carrier.operations


def try_connection(account: CarrierAccount) -> int:
    """Make one harmless call and log it; returns how long it took, in ms. Works for an account that is switched off.

    An open circuit lets its trial call out at once after it. Raises `DomainError`: cannot_decrypt, busy_here (nothing
    was sent), or a code of `CARRIER_ERRORS` with the carrier's words.
    """
    try:
        keys = keys_of(account)
    except CannotDecrypt as error:
        raise DomainError(
            "cannot_decrypt", _("The secrets cannot be opened with the keys of this machine.")
        ) from error
    carrier, recorder = registry.get_carrier(account.carrier), CallRecorder(Operation.TRY_CONNECTION, keys)
    with web_calls().query(account) as has_slot:
        if not has_slot or not _takes_a_call(account):
            raise DomainError(
                "busy_here", _("This account is being called at this moment: try again in a second.")
            )
        start = time.monotonic()
        try:
            recorder.run(lambda gateway: carrier.try_connection(keys, gateway))
        except CarrierError as error:
            raise DomainError(error.code, _said(error)) from error
        finally:
            store_calls(account.pk, [RecordedCall(recorder)])
    note_answer(account.pk)
    CARRIERS.half_open(account)
    return round((time.monotonic() - start) * 1000)


def _takes_a_call(account: CarrierAccount) -> bool:
    """Whether a person may call now: once a second, beside the pollers."""
    now = timezone.now()
    is_free = (
        Q(last_refresh_at__isnull=True) | Q(last_refresh_at__lte=now - SECOND) | Q(last_refresh_at__gt=now)
    )
    return bool(CarrierAccount.objects.filter(is_free, pk=account.pk).update(last_refresh_at=now))


def _said(error: CarrierError) -> str:
    text = str(CARRIER_ERRORS[error.code])
    return f"{text} ({error.detail})" if error.detail else text
