"""Builders of held orders: by the rule of attempts, with their open review."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from orders.models import Buyer, HoldReview, Order
from orders.risk import brushing
from orders.risk.brushing import AttemptLimits, Brushing

DESK = "/admin/orders/holdreview/"


def hold(order: Order, *, minutes_ago: int = 0) -> HoldReview:
    """Have the rule hold the newest order of this order's buyer; returns its review."""
    buyer = Buyer.objects.get(pk=order.buyer_id)
    product = order.lines.values_list("product_id", flat=True)[0]
    grounds = Brushing({product: 4}, AttemptLimits(), timezone.now()).grounds()
    brushing.hold_newest(buyer.merchant_id, buyer.outside_id, (product,), grounds)
    review = HoldReview.objects.get(order=order, state="open")
    opened_at = review.opened_at - timedelta(minutes=minutes_ago)
    HoldReview.objects.filter(pk=review.pk).update(opened_at=opened_at)
    return HoldReview.objects.get(pk=review.pk)


def member(role: str) -> Client:
    """A person of this role, logged in, who reads English."""
    user = User.objects.create_user(role, f"{role}@shop.example", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    client.cookies["django_language"] = "en"
    return client


def page_of(review: HoldReview, tail: str = "change/") -> str:
    return f"{DESK}{review.pk}/{tail}"
