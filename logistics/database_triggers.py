"""Triggers that audit every change of a waybill number, carrier or insured value, of parcels and of ordered waybills."""

from __future__ import annotations

from typing import Any

from ordersite.database import triggers

GUARDS: tuple[triggers.Guard, ...] = (
    triggers.Audited("logistics_shipment", ("tracking_number", "carrier", "insured_value")),
    triggers.Audited("logistics_waybillorder", ("tracking_number", "carrier", "insured_value")),
)


def prepare_database(**_kwargs: Any) -> None:
    """Install the triggers. Runs after every migrate."""
    triggers.install(GUARDS)
