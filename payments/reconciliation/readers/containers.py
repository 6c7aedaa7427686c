"""Open a bill file: plain text, gzip, zip or XLSX, recognised by content, never by name, with bounds on unpacking.

An archive may unpack to MAX_BYTES and, past the first megabytes, to MAX_RATIO times its own size: a bill compresses
ten- to fiftyfold, a bomb a thousandfold.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from openpyxl.packaging.manifest import Manifest
from openpyxl.xml.constants import WORKSHEET_TYPE
from openpyxl.xml.functions import fromstring

from payments.reconciliation.refusals import Refused

MAX_BYTES = 512 * 1024 * 1024
MAX_RATIO = 250
RATIO_FROM = 32 * 1024 * 1024
MAX_LINE = 16 * 1024
MAX_MEMBERS = 20
HEAD = 64 * 1024
# All parts of a workbook but its sheets are held in memory, the one with all its texts for one.
MAX_PART = 32 * 1024 * 1024
_MANIFEST = "[Content_Types].xml"
_BUFFER = 256 * 1024
UNREADABLE = (zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, NotImplementedError, RuntimeError)


class Packed(Protocol):
    """What gives unpacked bytes."""

    def read(self, size: int = ..., /) -> bytes: ...


class Bounded(io.RawIOBase):
    """The unpacked bytes, counted: neither more than MAX_BYTES nor a bomb. Raises `Refused`."""

    def __init__(self, inner: Packed, packed: int) -> None:
        self._inner = inner
        self._packed = max(packed, 1)
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        try:
            chunk = self._inner.read(len(buffer))
        except UNREADABLE as error:
            raise Refused("broken_file") from error
        self.count += len(chunk)
        if self.count > MAX_BYTES:
            raise Refused("too_large", megabytes=MAX_BYTES // 1024 // 1024)
        if self.count > RATIO_FROM and self.count > self._packed * MAX_RATIO:
            raise Refused("bomb")
        buffer[: len(chunk)] = chunk
        return len(chunk)


@dataclass(slots=True)
class OpenedBill:
    """An opened file: `head` is its beginning, `stream` the whole from the start, `path` that of an XLSX workbook.

    `consumed()` is how much of the file on disk has been read, from 0 to 1.
    """

    name: str
    head: bytes
    stream: BinaryIO
    raw: IO[bytes]
    size: int
    is_workbook: bool = False

    def consumed(self) -> float:
        return min(self.raw.tell() / self.size, 1.0) if self.size else 1.0

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number from 1, line without its end). Raises `Refused` for overlong lines and NUL bytes."""
        number, readline = 0, self.stream.readline
        while raw := readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                raise Refused("line_too_long", line=number)
            if b"\0" in raw:
                raise Refused("nul")
            yield number, raw.rstrip(b"\r\n")


@contextmanager
def opened(path: Path) -> Iterator[OpenedBill]:
    """Open the bill in this file. Raises `Refused`."""
    size = path.stat().st_size
    with ExitStack() as stack, path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:4] == b"PK\x03\x04":
            yield _in_zip(stack, raw, size)
        elif magic[:2] == b"\x1f\x8b":
            yield _source(path.name, Bounded(gzip.GzipFile(fileobj=raw), size), raw, size)
        elif not magic:
            raise Refused("empty")
        else:
            yield _source(path.name, Bounded(raw, size), raw, size)


def _source(name: str, bounded: Bounded, raw: IO[bytes], size: int) -> OpenedBill:
    stream = io.BufferedReader(cast("io.RawIOBase", bounded), _BUFFER)
    return OpenedBill(name, stream.peek(HEAD)[:HEAD], stream, raw, size)


def _in_zip(stack: ExitStack, raw: IO[bytes], size: int) -> OpenedBill:
    try:
        archive = stack.enter_context(zipfile.ZipFile(raw))
        members = [one for one in archive.infolist() if not one.is_dir()]
    except UNREADABLE as error:
        raise Refused("broken_file") from error
    _check_members(members, size)
    if any(one.filename == _MANIFEST for one in members):
        _check_parts(archive, members)
        return OpenedBill("", b"", io.BytesIO(), raw, size, is_workbook=True)
    return _detail(stack, archive, members, raw)


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """The declared sizes are an upper bound: the unpacker stops there."""
    if any(one.flag_bits & 1 for one in members):
        raise Refused("encrypted")
    # The others unpack in ways that no provider uses and that take what memory the file asks for.
    if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in members):
        raise Refused("broken_file")
    unpacked = sum(one.file_size for one in members)
    if unpacked > MAX_BYTES:
        raise Refused("too_large", megabytes=MAX_BYTES // 1024 // 1024)
    if unpacked > RATIO_FROM and unpacked > size * MAX_RATIO:
        raise Refused("bomb")


def _check_parts(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Only sheets are streamed. What a part is, the manifest says, not its name: the reader goes by that, too."""
    large = {one.filename for one in members if one.file_size > MAX_PART}
    if _MANIFEST in large:
        raise Refused("too_large", megabytes=MAX_PART // 1024 // 1024)
    try:
        manifest = Manifest.from_tree(fromstring(archive.read(_MANIFEST)))
    except (*UNREADABLE, ValueError, TypeError, KeyError, ParseError, DefusedXmlException) as error:
        raise Refused("broken_file") from error
    others = {part.PartName[1:] for part in manifest.Override if part.ContentType != WORKSHEET_TYPE}
    if any(name in others or not name.startswith("xl/worksheets/") for name in large):
        raise Refused("too_large", megabytes=MAX_PART // 1024 // 1024)


def _detail(
    stack: ExitStack, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], raw: IO[bytes]
) -> OpenedBill:
    """The largest member that is not a summary. Names are in whatever encoding: the content decides."""
    if len(members) > MAX_MEMBERS:
        raise Refused("no_bill_inside")
    for member in sorted(members, key=lambda one: -one.file_size):
        try:
            inner = stack.enter_context(archive.open(member))
            source = _source(member.filename, Bounded(inner, member.compress_size), raw, _size(raw))
        except UNREADABLE as error:
            raise Refused("broken_file") from error
        if not _is_summary(source.head):
            return source
    raise Refused("no_bill_inside")


def _size(raw: IO[bytes]) -> int:
    at = raw.tell()
    size = raw.seek(0, io.SEEK_END)
    raw.seek(at)
    return size


def _is_summary(head: bytes) -> bool:
    """Alipay packs a second file, with a sum per shop, beside the detail."""
    text = head.decode("gb18030", errors="replace")
    return text.startswith("#支付宝") and "支付宝交易号" not in text
