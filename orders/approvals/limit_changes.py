"""Changes of money limits: operations propose, an auditor or administrator approves, never for a role of their own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.contrib.auth.models import AbstractUser, Group
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.approvals import changes
from orders.approvals.change_kind import ChangeKind, Draft
from orders.models import ChangeRequest, MoneyLimit
from ordersite.lib.errors import DomainError
from ordersite.lib.money import display_amount, format_amount


def propose(
    role: Group, action: MoneyLimit.LimitedAction, amount: Decimal | None, *, user: AbstractUser, reason: str
) -> ChangeRequest:
    """Propose up to which amount (yuan, one case) a role may do something; None: no row, so the permission decides.

    Raises `DomainError`: own_limit, bad_amount, not_allowed, reason_missing, nothing_changes, proposal_waiting.
    """

    def draft() -> Draft:
        _check_not_own(role.pk, user)
        if amount is not None and amount < 0:
            raise negative_limit()
        limit = _locked(role.pk, action)
        return Draft(
            subject=f"{role.name}:{action.value}",
            subject_id=limit.pk if limit else None,
            before=_text(limit.amount if limit else None),
            after=_text(amount),
            values={"role": role.pk, "action": action.value},
            amount=amount,
        )

    return changes.propose(LIMIT, draft, user=user, reason=reason)


def _locked(role_id: int, action: str) -> MoneyLimit | None:
    limits = MoneyLimit.objects.select_for_update(no_key=True, of=("self",))
    return limits.filter(role_id=role_id, action=action).first()


def _text(amount: Decimal | None) -> dict[str, str]:
    return {} if amount is None else {"amount": format_amount(amount)}


def _check_not_own(role_id: int, user: AbstractUser) -> None:
    """A superuser has no limits, so none of them is theirs."""
    if not user.is_superuser and user.groups.filter(pk=role_id).exists():
        raise own_limit()


class LimitKind(ChangeKind):
    """There is no single operator here: a limit holds for all shops."""

    key = "limit_change"
    event = "limit.change_proposed"
    tile = _("changed money limits to review")
    code = ChangeRequest.Kind.LIMIT
    table = "payments_moneylimit"
    may_propose = "payments.change_moneylimit"
    may_approve = "payments.approve_moneylimit"

    def lock_values(self, request: ChangeRequest) -> Mapping[str, str]:
        limit = _locked(request.values["role"], request.values["action"])
        return _text(limit.amount if limit else None)

    def check_person(self, request: ChangeRequest, user: AbstractUser) -> None:
        _check_not_own(request.values["role"], user)

    def write(self, request: ChangeRequest) -> int:
        same = {"role_id": request.values["role"], "action": request.values["action"]}
        if request.amount is None:
            MoneyLimit.objects.filter(**same).delete()
            return request.subject_id or 0
        limit, _made = MoneyLimit.objects.update_or_create(**same, defaults={"amount": request.amount})
        return limit.pk

    def name_of(self, request: ChangeRequest) -> str:
        role, _colon, action = request.subject.partition(":")
        return f"{gettext(role)} · {MoneyLimit.LimitedAction(action).label}"

    def label_of(self, name: str) -> str:
        return gettext("up to")

    def text_of(self, name: str, value: str) -> str:
        return display_amount(Decimal(value)) if value else gettext("no limit of its own")


LIMIT = LimitKind()


def own_limit() -> DomainError:
    return DomainError("own_limit", _("Nobody decides about the limits of a role of their own."))


def negative_limit() -> DomainError:
    return DomainError("negative_limit", _("A limit is zero or more yuan."))
