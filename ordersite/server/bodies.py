"""Bodies of requests, as the front hands them to the application: whole, cut, or standing for what was not read."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

# Any body; one that brings a file.
LARGEST_BODY = 1024 * 1024
LARGEST_UPLOAD = 512 * 1024 * 1024
# Held in memory up to here, on disk beyond; answers up to here go out whole, so that a slow reader holds no thread.
IN_MEMORY = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Uploads:
    """Where files are handed in, and by whom: `may_upload` gets the environ and may take its time."""

    is_address: Callable[[str], bool]
    may_upload: Callable[[Mapping[str, Any]], bool]


NO_UPLOADS = Uploads(lambda _path: False, lambda _environ: False)


class TooSlow(Exception):
    """The body did not arrive in time."""


class TooShort(Exception):
    """The body broke off before its announced end."""


class TooLarge(Exception):
    """The body is longer than the limit."""


class UnreadBody(BytesIO):
    """Stands for a body that was not read to its end: its connection cannot be used again."""


class SlowBody(UnreadBody):
    """Stands for a body that did not arrive in time, where the application itself is to answer that."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise TimeoutError("the body did not arrive in time")


class Room:
    """The bytes that all long bodies may fill together; taken by the event loop, returned by the threads."""

    def __init__(self, size: int) -> None:
        self._left, self._lock = size, threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


class Spool(tempfile.SpooledTemporaryFile[bytes]):
    """A body of at most `most` bytes, on disk beyond IN_MEMORY; gives its room back when it is closed."""

    def __init__(self, room: Room, most: int) -> None:
        super().__init__(IN_MEMORY)
        self._room, self._most, self.size = room, most, 0

    def add(self, piece: bytes) -> None:
        """Raises TooLarge where this body, or all of them together, would be more than is taken."""
        if self.size + len(piece) > self._most or not self._room.take(len(piece)):
            raise TooLarge
        self.size += len(piece)
        self.write(piece)

    def close(self) -> None:
        super().close()
        self._room.give(self.size)
        self.size = 0
