"""A merchant's switches that decide about money: who may decide alone, after which wait, and the late-payment rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django.contrib.auth.models import AbstractUser
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.approvals import changes
from orders.approvals.change_kind import ChangeKind, Draft
from orders.models import ChangeRequest, Merchant
from orders.models.merchant import LatePayments


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The values by the names of the merchant's columns; the wait is in minutes."""

    late_payments: str
    allows_single_operator: bool
    single_operator_wait_minutes: int


def switches_of(merchant: Merchant) -> Switches:
    return Switches(
        late_payments=str(merchant.late_payments),
        allows_single_operator=merchant.allows_single_operator,
        single_operator_wait_minutes=merchant.single_operator_wait_minutes,
    )


def propose(merchant_id: int, wanted: Switches, *, user: AbstractUser, reason: str) -> ChangeRequest:
    """Propose other switches for a merchant. Raises `DomainError`: not_allowed, reason_missing, nothing_changes,
    proposal_waiting."""

    def draft() -> Draft:
        merchant = _locked(merchant_id)
        return Draft(
            subject=merchant.slug,
            subject_id=merchant.pk,
            merchant=merchant,
            before=_text(switches_of(merchant)),
            after=_text(wanted),
            values=asdict(wanted),
        )

    return changes.propose(SWITCHES, draft, user=user, reason=reason)


def _locked(merchant_id: int) -> Merchant:
    return Merchant.objects.select_for_update(no_key=True).get(pk=merchant_id)


def _text(switches: Switches) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(switches).items()}


class SwitchesKind(ChangeKind):
    """Finance approves what operations propose. Giving a single operator more room always takes two persons."""

    key = "switches_change"
    event = "switches.change_proposed"
    tile = _("changed switches to review")
    code = ChangeRequest.Kind.SWITCHES
    table = "orders_merchant"
    may_propose = "orders.change_merchant"
    may_approve = "orders.approve_merchant"

    def lock_values(self, request: ChangeRequest) -> Mapping[str, str]:
        return _text(switches_of(_locked(request.subject_id or 0)))

    def write(self, request: ChangeRequest) -> int:
        wanted = {name: value for name, value in request.values.items() if name in request.changes}
        merchant_id = request.subject_id or 0
        Merchant.objects.filter(pk=merchant_id).update(**wanted)
        return merchant_id

    def label_of(self, name: str) -> str:
        columns = {column.name: column.verbose_name for column in Merchant._meta.fields}
        return capfirst(str(columns.get(name, name)))

    def text_of(self, name: str, value: str) -> str:
        if name == "late_payments":
            return str(LatePayments(value).label)
        return {"True": gettext("yes"), "False": gettext("no")}.get(value, value)

    def merchant_of(self, request: ChangeRequest) -> Merchant | None:
        """Return the merchant whose single operator may approve alone; None if the change gives that person more room.

        Switching the mode on and shortening its wait always take two persons.
        """
        merchant = request.merchant
        if merchant is None:
            return None
        now, wanted = switches_of(merchant), Switches(**request.values)
        gives_room = (
            wanted.allows_single_operator > now.allows_single_operator
            or wanted.single_operator_wait_minutes < now.single_operator_wait_minutes
        )
        return None if gives_room else merchant


SWITCHES = SwitchesKind()
