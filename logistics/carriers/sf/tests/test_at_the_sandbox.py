"""SF's connector against the sandbox in its own process: one waybill whatever happens, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from logistics.carriers.sf.adapter import Sf
from logistics.carriers.sf.tests.account import query_of, sf_request
from logistics.carriers.types import CarrierError, CarrierKeys, MadeWaybill, Route, WaybillRequest
from ordersite.lib.http import Gateway
from sandbox.tests.running import Running, started


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


def keys_at(outside: Running, *, checkword: str = "SANDBOXSFCHECKWORD") -> CarrierKeys:
    config = {
        "partner_id": "SANDBOXSF", "gateway_url": f"{outside.url}/sf/std/service", "monthly_card": "7551234567",
    }  # fmt: skip
    return CarrierKeys("sf", "sf", config, {"checkword": checkword}, "1")


def request_of(reference: str) -> WaybillRequest:
    return replace(sf_request(), reference=reference)


def create(outside: Running, reference: str) -> object:
    return Sf().create_waybill(request_of(reference), keys_at(outside), Gateway(read=0.5))


def find(outside: Running, reference: str) -> object:
    return Sf().find_waybill(request_of(reference), keys_at(outside), Gateway())


def times_ordered(outside: Running, reference: str) -> list[int]:
    return [one["times_ordered"] for one in outside.state["waybills"] if one["reference"] == reference]


def test_waybill_from_order_to_route(outside: Running) -> None:
    made = Sf().create_waybill(request_of("E2E00001"), keys_at(outside), Gateway())
    assert made.insured_value == Decimal("199.9")
    found = Sf().query_many(
        [query_of(made.tracking_number), query_of("SF9000000000001")], keys_at(outside), Gateway()
    )
    assert all(isinstance(one, Route) for one in found.values())
    waybill = MadeWaybill(reference="E2E00001", carrier="sf", tracking_number=made.tracking_number)
    Sf().cancel_waybill(waybill, keys_at(outside), Gateway())
    Sf().cancel_waybill(waybill, keys_at(outside), Gateway())
    assert find(outside, "E2E00001") is None


@pytest.mark.parametrize(("fault", "value"), [("timeout", 1), ("bad_gateway", None)])
def test_order_whose_answer_is_lost(outside: Running, fault: str, value: float | None) -> None:
    reference = f"E2E{fault.replace('_', '').upper()}"
    outside.control("faults", target="sf.create", fault=fault, value=value)
    with pytest.raises(CarrierError) as caught:
        create(outside, reference)
    assert (caught.value.code, caught.value.outcome_known) == ("unknown", False)
    found = find(outside, reference)
    assert found is not None
    assert create(outside, reference) == found
    assert times_ordered(outside, reference) == [2]


def test_order_in_review_gets_its_number(outside: Running) -> None:
    outside.control("faults", target="sf.create", fault="no_number")
    with pytest.raises(CarrierError, match="unknown"):
        create(outside, "E2EREVIEW1")
    assert find(outside, "E2EREVIEW1") is not None


def test_address_that_sf_does_not_serve(outside: Running) -> None:
    outside.control("faults", target="sf.create", fault="no_number", value=3)
    with pytest.raises(CarrierError, match="refused"):
        create(outside, "E2EREFUSED")
    assert find(outside, "E2EREFUSED") is None
    with pytest.raises(CarrierError, match="refused"):
        create(outside, "E2EREFUSED")


def test_connection(outside: Running) -> None:
    Sf().try_connection(keys_at(outside), Gateway())
    with pytest.raises(CarrierError, match="misconfigured"):
        Sf().try_connection(keys_at(outside, checkword="WRONG"), Gateway())
