"""Renders all API errors as `{code, message, details}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response

from ordersite.lib.errors import DomainError, OutsideError

logger = logging.getLogger(__name__)

# A refusal is 409 unless its class or its code says otherwise.
_STATUS: dict[str, int] = {
    "unknown_order": 404,
    "unknown_account": 404,
    "invalid": 400,
    "idempotency_key_missing": 400,
    "idempotency_key_reused": 422,
    "waybill_refused": 422,
}


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Handle an exception for DRF. An unexpected one is logged with its traceback and answered with 500."""
    if isinstance(error, DomainError):
        return _domain(error)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _api(error)
    logger.error("API call failed", exc_info=error, extra={"view": type(context.get("view")).__name__})
    if isinstance(error, DatabaseError):
        answer = _body("unavailable", _("The database is busy or away. Try again."), {})
        return Response(answer, status=503, headers={"Retry-After": "1"})
    return Response(_body("internal_error", _("Something failed here; it is logged."), {}), status=500)


def _body(code: str, message: Any, details: Any) -> dict[str, Any]:
    return {"code": code, "message": str(message), "details": details}


def _domain(error: DomainError) -> Response:
    """Render a refusal: its parameters are the details, an attribute `retry_after` (seconds) becomes a header."""
    fallback = 502 if isinstance(error, OutsideError) else 409
    status = getattr(error, "status", None) or _STATUS.get(error.code, fallback)
    retry_after = getattr(error, "retry_after", None)
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    details = {
        name: value if isinstance(value, list | int) else str(value) for name, value in error.params.items()
    }
    return Response(_body(error.code, error.message, details), status=status, headers=headers)


def _api(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        details = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
        return Response(_body("invalid", _("Some fields are not right."), details), status=400)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    headers = {}
    if authenticate := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(max(1, round(getattr(error, "wait", None) or 1)))
    return Response(_body(code, error.detail, {}), status=error.status_code, headers=headers)


def no_such_address(request: HttpRequest, **_kwargs: Any) -> JsonResponse:
    """Answer an unknown address under /api/ with 404 in the API's own form."""
    return JsonResponse(_body("not_found", _("There is no such address."), {}), status=404)
