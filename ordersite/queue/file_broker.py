"""The embedded broker: kombu's file-based transport, with messages that are whole as soon as they can be seen.

The original opens a message under its final name and then writes it. A worker that looks in between takes an empty
file, fails to read it and ends (seen in the first minutes of `make run`).
"""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **_kwargs: Any) -> None:  # type: ignore[override]  # kombu's own names
        """Written beside under a name that nobody looks for, then renamed."""
        path = Path(self.data_folder_out) / f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        part = path.with_suffix(".part")
        part.write_text(dumps(payload), encoding="utf-8")
        os.replace(part, path)

    def _get(self, queue: str, timeout: Any = None) -> Any:
        """The next whole message; raises Empty. One that a killed process left torn is a lost wake-up, no more."""
        while True:
            try:
                return super()._get(queue)
            except ValueError as error:  # it has been taken out of the folder already
                logger.warning("torn wake-up dropped: %s", error)


class Transport(filesystem.Transport):
    Channel = Channel
