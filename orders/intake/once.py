"""Creates an order once for an idempotency key: in one statement where that is possible, else step by step."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from orders.intake import create, idempotency, one_statement
from orders.intake.drafts import OrderDraft
from orders.models import ApiClient, Order
from orders.risk import gate
from orders.risk.attempt import Attempt
from orders.risk.grounds import Grounds
from ordersite.lib.errors import DomainError


@dataclass(frozen=True, slots=True)
class Replayed:
    """An earlier call with the same key and body created the order with this primary key."""

    pk: int


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """A call that wants an order: whose, under which key; `digest` is that of its body (`idempotency.digest`)."""

    client: ApiClient
    key: str
    digest: str

    def attempt(self, draft: OrderDraft) -> Attempt:
        """What the layers see of it, as of now."""
        client = self.client
        return Attempt(client.merchant_id, client.pk, self.key, timezone.now(), draft)


def create_once(draft: OrderDraft, call: KeyedCall) -> Order | Replayed:
    """Create the order for the key of this call, or find the one that an earlier call has created.

    Opens its own transaction. Raises what the layers against duplicates (`orders.risk.gate`), `idempotency.run` and
    `create.place` raise; then the key is free again. A new order comes with its buyer and merchant.
    """
    if not draft.is_payable:
        return create_for_key(draft, call)  # raises; a used key is reported first
    passage = gate.enter(call.attempt(draft))
    try:
        made = (
            _replay(call, passage.refusal)
            if passage.refusal
            else create_for_key(draft, call, passage.grounds)
        )
    except Exception as error:
        gate.refused(passage, error)
        raise
    if isinstance(made, Replayed):
        gate.replayed(passage, Order.objects.values_list("number", flat=True).get(pk=made.pk))
    else:
        gate.created(passage, made.number)
    return made


def _replay(call: KeyedCall, refusal: DomainError) -> Replayed:
    """Find what an earlier call with this key has created: that goes before any refusal."""
    if found := idempotency.find(call.client, call.key, call.digest):
        return Replayed(found.subject_id)
    raise refusal


def create_for_key(draft: OrderDraft, call: KeyedCall, hold: Grounds | None = None) -> Order | Replayed:
    """Create the order for this key with no layer but the key and the constraints; `hold`: it is born held."""
    created: list[Order] = []

    def step_by_step() -> int:
        created.append(create.place(draft, merchant=call.client.merchant, hold=hold))
        return created[-1].pk

    def at_once(claim: idempotency.Claim) -> int | None:
        order = one_statement.place(draft, merchant=call.client.merchant, claim=claim)
        created.extend([order] if order else [])
        return order.pk if order else None

    done = idempotency.run(call.client, call.key, call.digest, step_by_step, None if hold else at_once)
    return Replayed(done.subject_id) if done.replayed else created[-1]
