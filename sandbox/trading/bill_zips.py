"""Writes zip files as providers do: names in GBK without a flag, content streamed."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the zip; `fill` receives a function that writes text."""

    name: str
    encoding: str
    fill: Callable[[Callable[[str], None]], None]


class _RawName(zipfile.ZipInfo):
    """Python would write a Chinese name in UTF-8 and set a flag; Alipay writes GBK bytes and no flag."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def write_zip(target: IO[bytes], members: Sequence[Member]) -> None:
    """One after the other, deflated."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            info = _RawName(member.name)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as file:
                member.fill(_writer(file, member.encoding))


def _writer(file: IO[bytes], encoding: str) -> Callable[[str], None]:
    def emit(text: str) -> None:
        file.write(text.encode(encoding, "replace"))

    return emit
