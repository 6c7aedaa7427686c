"""Open a bill file: plain text, gzip, zip, XLSX or XLS, recognised by content, never by name, with bounds on unpacking.

An archive may unpack to MAX_BYTES and, past the first megabytes, to MAX_RATIO times its own size: a bill compresses
ten- to fiftyfold, a bomb a thousandfold.
"""

from __future__ import annotations

import errno
import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
_ZIP, _GZIP, _OLD = b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# A workbook with a password is an old container around the new form.
_SEALED = "EncryptedPackage".encode("utf-16-le")
_MAX_INNER = 128 * 1024 * 1024
_BUFFER = 256 * 1024
UNREADABLE = (zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, NotImplementedError, RuntimeError)


@contextmanager
def unpacked() -> Iterator[None]:
    """Refuse a damaged archive. Raises `Refused` (broken_file); trouble of the disk is raised as it is."""
    try:
        yield
    except (*UNREADABLE, ValueError, OverflowError, struct.error) as error:
        raise Refused("broken_file") from error
    except OSError as error:
        # A damaged archive may point to a place before its own beginning.
        if error.errno != errno.EINVAL:
            raise
        raise Refused("broken_file") from error


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
        with unpacked():
            chunk = self._inner.read(len(buffer))
        self.count += len(chunk)
        if self.count > MAX_BYTES:
            raise Refused("too_large", megabytes=MAX_BYTES // 1024 // 1024)
        if self.count > RATIO_FROM and self.count > self._packed * MAX_RATIO:
            raise Refused("bomb")
        buffer[: len(chunk)] = chunk
        return len(chunk)


@dataclass(slots=True)
class OpenedBill:
    """An opened file: `head` is its beginning, `stream` the whole from the start, `raw` the file or the workbook itself.

    `consumed()` is how much of the file on disk has been read, from 0 to 1; `line` is the line or row read last.
    """

    name: str
    head: bytes
    stream: BinaryIO
    raw: IO[bytes]
    size: int
    is_workbook: bool = False
    is_old_workbook: bool = False
    line: int = 0

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
            self.line = number
            yield number, raw.rstrip(b"\r\n\x1a")


@contextmanager
def opened(raw: IO[bytes], name: str) -> Iterator[OpenedBill]:
    """Open the bill in this file, one of this machine that stands at its beginning. Raises `Refused`."""
    with ExitStack() as stack:
        yield _opened(stack, raw, name, _size(raw))


def _opened(stack: ExitStack, raw: IO[bytes], name: str, size: int) -> OpenedBill:
    magic = raw.read(len(_OLD))
    raw.seek(0)
    if magic.startswith(_ZIP):
        return _in_zip(stack, raw, size)
    if magic.startswith(_OLD):
        return _old_workbook(raw, name, size)
    if magic.startswith(_GZIP):
        return _source(name, Bounded(gzip.GzipFile(fileobj=raw), size), raw, size)
    if not magic:
        raise Refused("empty")
    return _source(name, Bounded(raw, size), raw, size)


def _old_workbook(raw: IO[bytes], name: str, size: int) -> OpenedBill:
    """A workbook with a password names its sealed part in its directory, which may stand anywhere."""
    while piece := raw.read(_BUFFER):
        if _SEALED in piece:
            raise Refused("encrypted")
    raw.seek(0)
    return OpenedBill(name, b"", io.BytesIO(), raw, size, is_workbook=True, is_old_workbook=True)


def _source(name: str, bounded: Bounded, raw: IO[bytes], size: int) -> OpenedBill:
    stream = io.BufferedReader(cast("io.RawIOBase", bounded), _BUFFER)
    return OpenedBill(name, stream.peek(HEAD)[:HEAD], stream, raw, size)


def _in_zip(stack: ExitStack, raw: IO[bytes], size: int) -> OpenedBill:
    with unpacked():
        archive = stack.enter_context(zipfile.ZipFile(raw))
        members = [one for one in archive.infolist() if not one.is_dir()]
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
        with unpacked():
            manifest = Manifest.from_tree(fromstring(archive.read(_MANIFEST)))
    except (TypeError, KeyError, ParseError, DefusedXmlException) as error:
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
    summary: OpenedBill | None = None
    for member in sorted(members, key=lambda one: -one.file_size):
        with unpacked():
            inner = stack.enter_context(archive.open(member))
            source = _source(member.filename, Bounded(inner, member.compress_size), raw, _size(raw))
        if source.head.startswith((_ZIP, _OLD)):
            return _inner_workbook(stack, source)
        if not _is_summary(source.head):
            return source
        summary = summary or source
    if summary is None:
        raise Refused("no_bill_inside")
    return summary


def _inner_workbook(stack: ExitStack, source: OpenedBill) -> OpenedBill:
    """A workbook inside an archive is unpacked to disk first; an archive inside an archive is none."""
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
    size = 0
    while piece := source.stream.read(_BUFFER):
        size += len(piece)
        if size > _MAX_INNER:
            raise Refused("too_large", megabytes=_MAX_INNER // 1024 // 1024)
        copy.write(piece)
    copy.seek(0)
    if source.head.startswith(_OLD):
        return _old_workbook(copy, source.name, size)
    opened_inside = _in_zip(stack, copy, size)
    if not opened_inside.is_workbook:
        raise Refused("no_bill_inside")
    return opened_inside


def _size(raw: IO[bytes]) -> int:
    at = raw.tell()
    size = raw.seek(0, io.SEEK_END)
    raw.seek(at)
    return size


def _is_summary(head: bytes) -> bool:
    """Alipay packs a second file, with a sum per shop, beside the detail."""
    first = head.split(b"\n", 1)[0].decode("gb18030", errors="replace")
    return first.startswith("#支付宝") and "汇总" in first
