"""Creates an order once for an idempotency key: in one statement where that is possible, else step by step."""

from __future__ import annotations

from dataclasses import dataclass

from orders.intake import create, idempotency, one_statement
from orders.intake.drafts import OrderDraft
from orders.models import ApiClient, Order


@dataclass(frozen=True, slots=True)
class Replayed:
    """An earlier call with the same key and body created the order with this primary key."""

    pk: int


def create_once(draft: OrderDraft, *, client: ApiClient, key: str, digest: str) -> Order | Replayed:
    """Create the order for this key of this client, or find the one that an earlier call has created.

    `digest` is that of the call (`idempotency.digest`). Opens its own transaction. Raises what `idempotency.run` and
    `create.place` raise; then the key is free again. A new order comes with its buyer and merchant.
    """
    created: list[Order] = []

    def step_by_step() -> int:
        created.append(create.place(draft, merchant=client.merchant))
        return created[-1].pk

    def at_once(claim: idempotency.Claim) -> int | None:
        order = one_statement.place(draft, merchant=client.merchant, claim=claim)
        created.extend([order] if order else [])
        return order.pk if order else None

    done = idempotency.run(client, key, digest, step_by_step, at_once)
    return Replayed(done.subject_id) if done.replayed else created[-1]
