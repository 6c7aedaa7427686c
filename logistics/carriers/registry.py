"""All carriers that can be asked, by name. A new one is a module beside this file and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from logistics.carriers.kuaidi100 import Kuaidi100
from logistics.carriers.types import Carrier
from ordersite.lib.errors import DomainError

CARRIERS: Mapping[str, Carrier] = {carrier.name: carrier for carrier in (Kuaidi100(),)}
# A parcel whose carrier has no account of its own is asked for here.
FALLBACK = "kuaidi100"


def get_carrier(name: str) -> Carrier:
    """Raises `DomainError` unknown_carrier."""
    found = CARRIERS.get(name)
    if found is None:
        raise DomainError("unknown_carrier", _("There is no connector for “%(name)s”."), name=name)
    return found


def carrier_choices() -> list[tuple[str, str]]:
    """Names and labels, for forms."""
    return [(name, str(carrier.label)) for name, carrier in CARRIERS.items()]
