"""Tags that people put on orders and take off again: each is a line of the order's history."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from orders import lifecycle
from orders.changes import Note
from orders.history.lines import Actor
from ordersite.automation.models import OrderTag
from ordersite.automation.models.tag import LONGEST_TAG
from ordersite.database import bulk
from ordersite.lib.errors import DomainError

ADD = "automation.add_ordertag"


def add_tag(order_id: int, name: str, *, actor: Actor) -> None:
    """Put a tag on an order. Raises `DomainError` bad_tag, already_tagged."""
    tag = name.strip()
    if not tag or len(tag) > LONGEST_TAG or not tag.isprintable():
        raise DomainError("bad_tag", _("A tag has between 1 and %(most)s characters."), most=LONGEST_TAG)
    with transaction.atomic():
        order = lifecycle.lock([order_id])[order_id]
        row = OrderTag(order_id=order_id, name=tag, created_by=actor.id)
        if not bulk.insert_rows(OrderTag, [row], ignore_conflicts=True, returning=["id"]):
            raise DomainError("already_tagged", _("The order has this tag already."))
        lifecycle.apply_one(order, Note(order_id, "tag_added", actor, reason=tag))


def remove_tag(order_id: int, name: str, *, actor: Actor) -> None:
    """Take a tag off an order, whoever put it there. Raises `DomainError` not_tagged."""
    with transaction.atomic():
        order = lifecycle.lock([order_id])[order_id]
        removed, _rows = OrderTag.objects.filter(order_id=order_id, name=name).delete()
        if not removed:
            raise DomainError("not_tagged", _("The order has no such tag any more."))
        lifecycle.apply_one(order, Note(order_id, "tag_removed", actor, reason=name))
