"""Access to the merchant's pages: members of an active merchant."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from orders.models import Merchant

View = Callable[..., HttpResponse]


def merchant_of(request: HttpRequest) -> Merchant | None:
    """The shop of the person who is logged in, if there is one and it is active."""
    return Merchant.objects.filter(members__user=request.user.pk, is_active=True).first()


def for_members(view: View) -> View:
    """Give the view the person's merchant; strangers log in, others are refused."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        merchant = merchant_of(request)
        if merchant is None:
            raise PermissionDenied
        return view(request, merchant, *args, **kwargs)

    return login_required(guarded)


def for_owners(view: View) -> View:
    """The same for the shop's owners alone: its other people are refused too."""

    @wraps(view)
    def guarded(request: HttpRequest, merchant: Merchant, *args: Any, **kwargs: Any) -> HttpResponse:
        if not merchant.members.filter(user=request.user.pk, is_owner=True).exists():
            raise PermissionDenied
        return view(request, merchant, *args, **kwargs)

    return for_members(guarded)
