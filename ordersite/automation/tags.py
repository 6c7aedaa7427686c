"""Tags of orders, for the list and the page of orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Aggregate, OuterRef, QuerySet, Subquery, TextField

from ordersite.automation.models import OrderTag

# No tag holds one: it is a control character.
_BETWEEN = "\x1f"


class _Joined(Aggregate):
    """The texts of a group in one, with a separator between them."""

    function = "STRING_AGG"
    template = "%(function)s(%(expressions)s, chr(31))"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "%(function)s(%(expressions)s, char(31))"
        return self.as_sql(compiler, connection, function="GROUP_CONCAT", template=template, **extra)


def tags_of(order_ids: Iterable[int]) -> Mapping[int, list[str]]:
    """The tags of each of these orders, in the order in which they were put there. One statement."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    rows = OrderTag.objects.filter(order_id__in=list(order_ids)).order_by("pk")
    for order_id, name in rows.values_list("order_id", "name"):
        found[order_id].append(name)
    return found


def joined_tags() -> Subquery:
    """The tags of an order in one text, for an annotation of orders; None without any. `split_tags` takes it apart."""
    rows = OrderTag.objects.filter(order=OuterRef("pk")).order_by().values("order")
    return Subquery(rows.annotate(names=_Joined("name")).values("names"))


def split_tags(text: str | None) -> list[str]:
    """The tags in an annotation by `joined_tags`, by their letters."""
    return sorted(text.split(_BETWEEN)) if text else []


def orders_with(tag: str) -> QuerySet[OrderTag, Any]:
    """The keys of the orders that have a tag."""
    return OrderTag.objects.filter(name=tag).values("order_id")
