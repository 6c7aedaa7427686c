"""Refuses uploads larger than any bill before storing a byte."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

MEGABYTE = 1024 * 1024
# A bill of a million lines is 250 MB bare, and a tenth of that as it is delivered.
MOST = 300 * MEGABYTE


class BoundedUploadHandler(FileUploadHandler):
    """The first upload handler: checks lengths and leaves the content to the others."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],  # the name is Django's
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        """Raises RequestDataTooBig, which is answered with 400."""
        if content_length > MOST:
            raise RequestDataTooBig("the upload is too large")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Raises RequestDataTooBig where more comes than was announced."""
        if start + len(raw_data) > MOST:
            raise RequestDataTooBig("the upload is too large")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Return None: the next handler stores the file."""
