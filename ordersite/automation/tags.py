"""Tags of orders, for the list and the page of orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet

from ordersite.automation.models import AutomationRule, OrderTag


def tags_of(order_ids: Iterable[int]) -> Mapping[int, list[str]]:
    """The tags of each of these orders, in the order in which they were put there. One statement."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    rows = OrderTag.objects.filter(order_id__in=list(order_ids)).order_by("pk")
    for order_id, name in rows.values_list("order_id", "name"):
        found[order_id].append(name)
    return found


def offered_tags() -> list[str]:
    """The tags that the rules of today put on orders."""
    stored = AutomationRule.objects.values_list("current__actions", flat=True)
    return sorted(
        {one["params"]["tag"] for actions in stored for one in actions or () if one["action"] == "tag"}
    )


def orders_with(tag: str) -> QuerySet[OrderTag, Any]:
    """The keys of the orders that have a tag."""
    return OrderTag.objects.filter(name=tag).values("order_id")
