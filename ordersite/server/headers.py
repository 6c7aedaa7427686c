"""Headers that every response of the product carries, whichever view made it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# No page uses a device or a sensor of the reader, or hands one on to a frame.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope",
        "hid", "idle-detection", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get",
        "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip
NO_STORE = "private, no-store"


class HeadersMiddleware:
    """Adds Permissions-Policy, and forbids caches to keep what a view did not explicitly let them keep.

    Nearly every address speaks of a session or of a token, and a new one is safe before anybody thinks of it. Files that
    are the same for everybody bring their own Cache-Control.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cache-Control", NO_STORE)
        return response
