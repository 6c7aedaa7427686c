"""Who may send the front a long body: decided before any of it is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.http import HttpRequest, parse_cookie

logger = logging.getLogger(__name__)


def may_upload(environ: Mapping[str, Any]) -> bool:
    """Tell whether the request's session is that of a person of the staff. Reads the database; never raises.

    The page itself decides about rights: this keeps the rest of the world from filling the disk.
    """
    try:
        return _is_of_staff(
            parse_cookie(environ.get("HTTP_COOKIE", "")).get(settings.SESSION_COOKIE_NAME, "")
        )
    except Exception:  # the edge: without an answer nothing large is taken
        logger.exception("who uploads could not be decided")
        return False
    finally:
        connections.close_all()


def _is_of_staff(session_key: str) -> bool:
    if not session_key:
        return False
    request = HttpRequest()
    request.session = SessionStore(session_key)
    return bool(get_user(request).is_staff)
