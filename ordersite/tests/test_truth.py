"""Ten thousand random steps of orders, payments, refunds, statements, staff and accidents against what must hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ordersite.tests.truth.stories import Stories
from payments.tests.fake_provider import serving

STEPS = 2_500


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_money_and_orders_always_agree(seed: int) -> None:
    tell(Stories, seed, examples=36, length=110, steps=STEPS)


def tell(stories: type[Stories], seed: int, *, examples: int, length: int, steps: int) -> None:
    """Run so many stories of this length; the seed is in the class's name."""
    with serving() as server:
        story: Any = type(f"{stories.__name__}{seed}", (stories,), {"server": server, "steps": 0})
        rules = settings(
            max_examples=examples,
            stateful_step_count=length,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(story, settings=rules)
        assert story.steps >= steps
