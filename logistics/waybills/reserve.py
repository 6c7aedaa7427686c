"""Stores an ordered waybill with its goods reserved, before its carrier is called."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.carriers import registry
from logistics.carriers.interface import Operation
from logistics.dispatch import check
from logistics.dispatch.check import Confirmation, ProductQuantity
from logistics.models import CARRIERS, CarrierAccount, Shipment, Warehouse, WaybillLine, WaybillOrder
from logistics.waybills import errors
from logistics.waybills.insured import insured_value
from logistics.waybills.reserved_ids import reserve_id
from orders.errors import invalid
from orders.history.lines import Actor
from orders.models import Merchant, Order
from ordersite.database import bulk

# Longer than the longest set of calls of one try: a query, an order and a label of at most 20 s each.
LEASE = timedelta(seconds=75)
# Crockford's base 32: no letters that are read wrongly on the phone. 20 of them are 100 random bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_KNOWN_CARRIERS = frozenset(code for code, _name in CARRIERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWaybill:
    """A waybill that somebody wants. `account` and `warehouse` are slugs, `insured_value` is yuan.

    An empty `warehouse` means the shop's only one, empty `lines` all that is left of the order.
    """

    carrier: str
    account: str
    warehouse: str = ""
    insured_value: Decimal | None = None
    lines: tuple[ProductQuantity, ...] = ()


def new_reference() -> str:
    """Create a reference of 24 of `[0-9A-Z]` that is never made again, at no other installation either."""
    site = hashlib.sha256(settings.PUBLIC_BASE_URL.encode()).digest()
    prefix = "".join(_ALPHABET[byte % 32] for byte in site[:4])
    return prefix + "".join(secrets.choice(_ALPHABET) for _position in range(20))


def reserve(order: Order, wanted: WantedWaybill, *, actor: Actor) -> WaybillOrder:
    """Store the waybill and reserve its goods. Call inside a transaction; commit it before the carrier is called.

    The row is leased: its caller calls the carrier next, and the resolver does where the caller dies. Raises
    `DomainError`: unknown_account, account_disabled, waybills_not_offered, invalid, and the refusals of a confirmation.
    """
    account = find_account(order.merchant, wanted)
    slug = wanted.warehouse or _only_warehouse(order.merchant)
    row = Confirmation(
        order=order.number,
        warehouse=slug,
        carrier=wanted.carrier,
        tracking_number=(reference := new_reference()),
        lines=wanted.lines,
    )
    checked = check.load(order.merchant, [row]).check(row)
    if checked.code != "ok" or checked.warehouse is None:
        raise errors.not_shippable(checked.code)
    now = timezone.now()
    waybill = WaybillOrder(
        merchant=order.merchant,
        order=order,
        account=account,
        warehouse=checked.warehouse,
        parcel_id=reserve_id(Shipment),
        reference=reference,
        carrier=wanted.carrier,
        insured_value=insured_value(order, checked.quantities, account, wanted=wanted.insured_value),
        actor_kind=actor.kind,
        actor_id=actor.id,
        created_at=now,
        next_try_at=now,
        leased_until=now + LEASE,
        calls=1,
    )
    waybill.save(force_insert=True)
    lines = sorted(checked.quantities.items())
    bulk.insert_rows(
        WaybillLine,
        [WaybillLine(waybill_id=waybill.pk, order_line_id=pk, quantity=count) for pk, count in lines],
    )
    return waybill


def find_account(merchant: Merchant, wanted: WantedWaybill) -> CarrierAccount:
    """The shop's account, which can make waybills of this carrier.

    Raises `DomainError`: unknown_carrier, unknown_account, account_disabled, waybills_not_offered.
    """
    if wanted.carrier not in _KNOWN_CARRIERS:
        raise errors.not_shippable("unknown_carrier")
    account = CarrierAccount.objects.filter(merchant=merchant, slug=wanted.account).first()
    if account is None:
        raise errors.unknown_account(wanted.account)
    if not account.is_active:
        raise errors.account_disabled(wanted.account)
    if not makes_waybills(account, wanted.carrier):
        raise errors.no_waybills(wanted.account, wanted.carrier)
    return account


def makes_waybills(account: CarrierAccount, carrier: str) -> bool:
    """Whether the account's connector makes waybills of this carrier: its own, or any at an aggregator."""
    connector = registry.CARRIERS.get(account.carrier)
    is_offered = connector is not None and Operation.CREATE_WAYBILL in connector.operations
    return is_offered and account.carrier in (carrier, registry.FALLBACK)


def _only_warehouse(merchant: Merchant) -> str:
    slugs = list(
        Warehouse.objects.filter(merchant=merchant, is_active=True).values_list("slug", flat=True)[:2]
    )
    if len(slugs) != 1:
        raise invalid(warehouse=_("Name the warehouse: this shop has none, or several."))
    return str(slugs[0])
