"""The connectors by name. A new connector is a module beside this file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from logistics.carriers.kuaidi100 import Kuaidi100
from logistics.carriers.types import Carrier
from ordersite.lib.errors import DomainError

CARRIERS: Mapping[str, Carrier] = {carrier.name: carrier for carrier in (Kuaidi100(),)}
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
