"""The embedded broker: no reader ever meets half a message, and a torn one does no harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from ordersite.queue import file_broker

MESSAGES = 300


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Connection]:
    (tmp_path / "queue").mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
        "polling_interval": 0.01,
    }
    with Connection(
        "filesystem://", transport=file_broker.Transport, transport_options=options
    ) as connection:
        yield connection


def test_concurrent_reads_get_whole_messages(broker: Connection) -> None:
    def write() -> None:
        with broker.clone() as own, SimpleQueue(own, "hints") as queue:
            for number in range(MESSAGES):
                queue.put({"number": number, "padding": "x" * 20_000})

    with SimpleQueue(broker, "hints") as queue:
        thread = threading.Thread(target=write)
        thread.start()
        got = set()
        for _count in range(MESSAGES):
            message = queue.get(timeout=10)
            got.add(message.payload["number"])
            message.ack()
        thread.join()
    assert got == set(range(MESSAGES))


def test_a_torn_message_is_passed_over(broker: Connection, tmp_path: Path) -> None:
    with SimpleQueue(broker, "torn") as queue:
        (tmp_path / "queue" / "0_x.torn.msg").write_bytes(b"")
        queue.put({"number": 1})
        assert queue.get(timeout=5).payload == {"number": 1}
