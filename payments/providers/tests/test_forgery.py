"""A hundred thousand genuine notifications with one byte changed, of all providers.

A change that leaves the meaning as it was (the case of a percent-encoding) may pass, but then the result must be that
of the genuine notification. Where the raw bytes are signed, no change may pass at all. Each provider's genuine
notifications stand in its own `tests/genuine.py`.
"""

from __future__ import annotations

import importlib
import os
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from payments.providers.errors import Rejected
from payments.providers.registry import PROVIDERS
from payments.providers.tests.genuine import GenuineNotification
from payments.providers.types import RawNotification

GENUINE: Mapping[str, GenuineNotification] = {
    f"{provider} {sample}".strip(): genuine
    for provider in PROVIDERS
    for sample, genuine in importlib.import_module(
        f"payments.providers.{provider}.tests.genuine"
    ).GENUINE.items()
}
# Not covered by any signature; a serial number in small letters is the same number.
UNSIGNED = {"content-type", "wechatpay-serial"}


def changed(call: RawNotification, chance: random.Random) -> RawNotification:
    """The notification with one byte of its body or one character of a header's value replaced by another."""
    names = sorted(name for name, value in call.headers.items() if value)
    if chance.random() < 0.7:
        place = chance.randrange(len(call.body))
        byte = call.body[place] ^ chance.randrange(1, 256)
        return replace(call, body=call.body[:place] + bytes([byte]) + call.body[place + 1 :])
    name = chance.choice(names)
    value = call.headers[name]
    place = chance.randrange(len(value))
    other = chr(ord(value[place]) ^ chance.randrange(1, 128))
    return replace(call, headers={**call.headers, name: value[:place] + other + value[place + 1 :]})


def changed_parts(one: RawNotification, other: RawNotification) -> list[str]:
    parts = [name for name, value in one.headers.items() if value != other.headers[name]]
    return [*parts, "body"] if one.body != other.body else parts


def test_a_hundred_thousand_changes_are_tried() -> None:
    assert sum(genuine.changes for genuine in GENUINE.values()) >= 100_000
    assert {name.partition(" ")[0] for name in GENUINE} == set(PROVIDERS)


@pytest.mark.parametrize("name", GENUINE)
def test_changed_byte_never_passes_as_new(name: str) -> None:
    genuine = GENUINE[name]
    call, keys = genuine.build()
    verify = PROVIDERS[keys.provider].verify
    expected = verify(call, keys)
    # The same changes in every run, so that a failure can be repeated; another seed tries other changes.
    seed = int(os.environ.get("FORGERY_SEED", "20261122"))
    chance, passed = random.Random(seed), []

    for _ in range(genuine.changes):
        forged = changed(call, chance)
        try:
            notification = verify(forged, keys)
        except Rejected:
            continue
        passed.append(forged)
        assert notification == expected, f"seed {seed}: {forged}"

    if genuine.is_raw_signed:
        assert {part for one in passed for part in changed_parts(one, call)} <= UNSIGNED, f"seed {seed}"
