"""The connectors by name. A new connector is a folder beside this file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from logistics.carriers.interface import Carrier
from logistics.carriers.kuaidi100.adapter import Kuaidi100
from logistics.carriers.sf.adapter import Sf
from logistics.carriers.sto.adapter import Sto
from logistics.carriers.webhook.adapter import WebhookPushes
from logistics.carriers.yto.adapter import Yto
from logistics.carriers.zto.adapter import Zto
from ordersite.lib.errors import DomainError

CARRIERS: Mapping[str, Carrier] = {
    carrier.name: carrier for carrier in (Kuaidi100(), Sf(), Zto(), Yto(), Sto(), WebhookPushes())
}
# Polls the parcels of carriers for which the merchant has no account of its own.
FALLBACK = "kuaidi100"


def get_carrier(name: str) -> Carrier:
    """The connector of this name. Raises `DomainError` unknown_carrier."""
    found = CARRIERS.get(name)
    if found is None:
        raise DomainError("unknown_carrier", _("There is no connector for “%(name)s”."), name=name)
    return found


def carrier_choices() -> list[tuple[str, str]]:
    """Names and labels of the connectors, for forms."""
    return [(name, str(carrier.label)) for name, carrier in CARRIERS.items()]
