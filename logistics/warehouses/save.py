"""Saves warehouses from their files: kind, provinces, cost, sender, and how they get their instructions."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.validators import slug_re
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.models import Warehouse
from orders.approvals import server_changes
from orders.models import Merchant
from ordersite.lib import crypto
from ordersite.lib.errors import DomainError
from ordersite.lib.money import CENT, LARGEST, ZERO, format_amount
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.lib.webhooks.signature import secret_bytes
from ordersite.outside_accounts.fingerprints import described

# Whose name, phone and address stand on the waybills of its parcels, and how long each may be.
SENDER = {
    "sender_name": 80, "sender_phone": 20, "province": 40, "city": 40, "district": 40, "street": 200,
}  # fmt: skip
KEYS = frozenset(
    {
        "name",
        "kind",
        "regions",
        "priority",
        "cost",
        "adapter",
        "push_url",
        "secret",
        "silence_minutes",
        *SENDER,
    }
)
MOST_REGIONS, MOST_PRIORITY, MOST_MINUTES = 40, 9_999, 14 * 24 * 60
_NAME_LENGTH, _REGION_LENGTH, _URL_LENGTH = 80, 40, 500


@dataclass(frozen=True, slots=True)
class SavedWarehouse:
    """`new_secret`: the secret that was made because the file named none; empty otherwise. It is shown once."""

    warehouse: Warehouse
    new_secret: str = ""


def save_announced(
    slug: str, *, merchant: Merchant, data: Mapping[str, Any], by: AbstractUser | None = None
) -> SavedWarehouse:
    """Create or change a warehouse from the keys of its file; what the file does not name stays as it is.

    Audited, and the approvers get mail. `by` is None for a command on the server. Raises `DomainError` bad_warehouse
    with every problem; nothing is changed then.
    """
    with transaction.atomic():
        rows = Warehouse.objects.select_for_update().filter(merchant=merchant, slug=slug)
        warehouse = rows.first() or Warehouse(merchant=merchant, slug=slug, name=slug[:_NAME_LENGTH])
        before = shown(warehouse) if warehouse.pk else {}
        secrets = _secrets_of(warehouse)
        if problems := [*_slug_problems(slug), *_apply(warehouse, data, secrets)]:
            raise _refused(slug, problems)
        new_secret = _new_secret(warehouse, secrets)
        warehouse.seal_secrets(secrets)
        warehouse.changed_at = timezone.now()
        warehouse.failures_in_a_row, warehouse.next_call_at = 0, None
        warehouse.save()
        row = server_changes.Changed(Warehouse._meta.db_table, warehouse.pk, slug)
        server_changes.note(row, before=before, after=shown(warehouse), by=by)
    return SavedWarehouse(warehouse, new_secret)


def shown(warehouse: Warehouse) -> dict[str, str]:
    """What may be shown of a warehouse, by the name of its key: the secret as a fingerprint."""
    values = {
        "name": warehouse.name,
        "kind": warehouse.kind,
        "regions": " ".join(warehouse.regions),
        "priority": str(warehouse.priority),
        "cost": format_amount(warehouse.cost),
        "adapter": warehouse.adapter,
        "silence_minutes": str(warehouse.silence_minutes),
        **{name: str(getattr(warehouse, name)) for name in SENDER},
        **warehouse.config,
    }
    return described(values, _secrets_of(warehouse))


def _secrets_of(warehouse: Warehouse) -> dict[str, Any]:
    """Empty where it cannot be opened any more: saving it again mends that."""
    try:
        return warehouse.open_secrets()
    except crypto.CannotDecrypt:
        return {}


def _new_secret(warehouse: Warehouse, secrets: dict[str, Any]) -> str:
    """Make the secret that signs pushes where the warehouse needs one and has none."""
    if warehouse.adapter != Warehouse.Adapter.PUSH or secrets.get("secret"):
        return ""
    secrets["secret"] = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    return str(secrets["secret"])


def _refused(slug: str, problems: list[str]) -> DomainError:
    template = _("Warehouse %(slug)s cannot be saved: %(problems)s")
    return DomainError("bad_warehouse", template, slug=slug, problems=" ".join(problems))


def _slug_problems(slug: str) -> list[str]:
    if len(slug) <= 40 and slug_re.match(slug):
        return []
    return [_("The slug must be up to 40 letters, digits, - and _.")]


def _apply(warehouse: Warehouse, data: Mapping[str, Any], secrets: dict[str, Any]) -> list[str]:
    """Set the columns that the file names; returns a sentence for each problem."""
    unknown = sorted(str(name) for name in set(data) - KEYS)
    found = [_("%(key)s is not a key of a warehouse.") % {"key": name} for name in unknown]
    for name, value in data.items():
        if name in _READERS:
            try:
                setattr(warehouse, name, _READERS[name](value))
            except (ValueError, TypeError, ArithmeticError) as error:
                found.append(f"{name}: {error}")
    return [*found, *_apply_push(warehouse, data, secrets)]


def _apply_push(warehouse: Warehouse, data: Mapping[str, Any], secrets: dict[str, Any]) -> list[str]:
    found = []
    if "push_url" in data:
        url = data["push_url"] or ""
        if not isinstance(url, str) or len(url) > _URL_LENGTH:
            found.append(_("push_url: Give an http address."))
        elif problems := (address_problems("push_url", url) if url else []):
            found += problems
        warehouse.config = {"push_url": url.strip()} if isinstance(url, str) and url else {}
    if data.get("secret"):
        try:
            secret_bytes(str(data["secret"]).strip())
            secrets["secret"] = str(data["secret"]).strip()
        except ValueError:
            found.append(_("secret: Give whsec_ and the base64 of 24 to 64 bytes."))
    if warehouse.adapter == Warehouse.Adapter.PUSH and not warehouse.push_url:
        found.append(_("push_url is missing: instructions are sent there."))
    return found


def _text(most: int, *, least: int = 0) -> Any:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not least <= len(value.strip()) <= most or not value.isprintable():
            raise ValueError(_("Give up to %(most)s letters.") % {"most": most})
        return value.strip()

    return read


def _regions(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST_REGIONS:
        raise ValueError(_("Give a list of provinces."))
    names = [name.strip() for name in value if isinstance(name, str) and name.isprintable()]
    if len(names) != len(value) or not all(0 < len(name) <= _REGION_LENGTH for name in names):
        raise ValueError(_("Give a list of provinces."))
    return list(dict.fromkeys(names))


def _whole(lowest: int, highest: int) -> Any:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(
                _("Give a whole number from %(lowest)s to %(highest)s.")
                % {"lowest": lowest, "highest": highest}
            )
        return value

    return read


def _cost(value: Any) -> Decimal:
    """Yuan, as text or as a number with at most two decimals."""
    problem = _("Give an amount in yuan with at most two decimals.")
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(problem)
    try:
        amount = Decimal(str(value))
        is_right = amount.is_finite() and ZERO <= amount <= LARGEST and amount == amount.quantize(CENT)
    except ArithmeticError as error:
        raise ValueError(problem) from error
    if not is_right:
        raise ValueError(problem)
    return amount.quantize(CENT)


def _one_of(choices: list[str]) -> Any:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(_("Give one of %(choices)s.") % {"choices": ", ".join(choices)})
        return str(value)

    return read


_READERS: Mapping[str, Any] = {
    "name": _text(_NAME_LENGTH, least=1),
    "kind": _one_of(Warehouse.Kind.values),
    "regions": _regions,
    "priority": _whole(0, MOST_PRIORITY),
    "cost": _cost,
    "adapter": _one_of(Warehouse.Adapter.values),
    "silence_minutes": _whole(1, MOST_MINUTES),
    **{name: _text(most) for name, most in SENDER.items()},
}
