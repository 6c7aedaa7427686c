"""Takes files where people of the staff hand them in, and refuses those larger than any bill before storing a byte."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

MEGABYTE = 1024 * 1024
# A bill of a million lines is 250 MB bare, and a tenth of that as it is delivered.
MOST = 300 * MEGABYTE
_ADDRESSES = re.compile(r"/admin/payments/(?:statement|settlementrequest)/add/")


def takes_files(path: str) -> bool:
    """Tell whether a form at this path hands in a file."""
    return _ADDRESSES.fullmatch(path) is not None


def may_hand_in(request: HttpRequest | None) -> bool:
    """Tell whether the request hands in a file where that is done, as a person of the staff."""
    if request is None or not takes_files(request.path_info):
        return False
    return bool(getattr(getattr(request, "user", None), "is_staff", False))


class BoundedUploadHandler(FileUploadHandler):
    """The first upload handler: checks who, where and how much, and leaves the content to the others.

    Forms are read before a view is called, by the check against forged ones: without this, anybody could have large
    files written to disk at any address.
    """

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],  # the name is Django's
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        """Raises RequestDataTooBig, which is answered with 400."""
        self._may_hand_in = may_hand_in(self.request)
        if content_length > (MOST if self._may_hand_in else MEGABYTE):
            raise RequestDataTooBig("the upload is too large")

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Raises SkipFile where no file is handed in: it is read past and kept nowhere."""
        super().new_file(*args, **kwargs)
        if not self._may_hand_in:
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Raises RequestDataTooBig where more comes than was announced."""
        if start + len(raw_data) > MOST:
            raise RequestDataTooBig("the upload is too large")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Return None: the next handler stores the file."""
