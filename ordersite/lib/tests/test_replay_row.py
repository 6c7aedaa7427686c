"""The replay of one stored call from its page: in whose name, and why it was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest

from ordersite.lib.adminkit.stored_calls import replay_row
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.errors import DomainError

ROW = SimpleNamespace(pk=12)


@dataclass
class Ended:
    """What a replay came to."""

    refused: DomainError | None = None

    def refusal(self) -> DomainError | None:
        return self.refused


def request_of_staff() -> HttpRequest:
    request = HttpRequest()
    request.user = User(pk=7, username="mei")
    return request


def test_replay_in_the_name_of_the_person() -> None:
    replayed: list[tuple[Sequence[int], str, int]] = []

    def replay(ids: Sequence[int], *, actor: str, user_id: int) -> Ended:
        replayed.append((ids, actor, user_id))
        return Ended()

    replay_row(request_of_staff(), ROW, replay)

    assert replayed == [([12], "mei", 7)]


def test_replay_that_is_refused_says_why() -> None:
    refused = DomainError("still_bad", "The signature is still bad.")

    with pytest.raises(DomainError, match="still_bad"):
        replay_row(request_of_staff(), ROW, lambda *_args, **_more: Ended(refused))


def test_secrets_that_this_machine_cannot_open() -> None:
    def replay(*_args: object, **_more: object) -> Ended:
        raise CannotDecrypt

    with pytest.raises(DomainError, match="cannot_decrypt"):
        replay_row(request_of_staff(), ROW, replay)
