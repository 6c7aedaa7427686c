"""The connector of the webhook form. It takes pushes for parcels of any carrier and calls nobody.

Form: docs/pushes.md. Signature: standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import json

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers.interface import Carrier, Operation
from logistics.carriers.types import (
    DEFAULT_INTERVAL_SECONDS,
    CarrierError,
    CarrierKeys,
    PushCall,
    PushedRoute,
    PushRejected,
    PushReply,
    Route,
    TrackingQuery,
    TrackingStatus,
)
from logistics.carriers.webhook.message import STATUSES, read_message
from ordersite.lib.http import Gateway
from ordersite.lib.webhooks.signature import UntrustedMessage, check_signature, secret_bytes
from ordersite.outside_accounts.files import missing_keys

_JSON = "application/json"


class WebhookPushes(Carrier):
    """Takes signed events from any outside system."""

    name = "webhook"
    label = gettext_lazy("Signed webhook (pushes)")
    secret_keys = ("secret",)
    # Separated by blanks; they are accepted while a secret is being changed.
    optional_secret_keys = ("previous_secrets",)
    operations: frozenset[Operation] = frozenset()
    takes_pushes = True

    def check(self, keys: CarrierKeys) -> list[str]:
        """The problems of the account's keys that can be found without a call."""
        problems = missing_keys(self, keys)
        for secret in filter(None, _secrets(keys)):
            try:
                secret_bytes(secret)
            except ValueError:
                problems.append(_("A secret must be whsec_ followed by the base64 of 24 to 64 bytes."))
        return problems

    def min_interval_seconds(self, keys: CarrierKeys) -> int:
        return DEFAULT_INTERVAL_SECONDS

    def query(self, query: TrackingQuery, keys: CarrierKeys, gateway: Gateway) -> Route:
        """There is nobody to ask. Raises `CarrierError`."""
        raise CarrierError("not_accepted", self.name)

    def status_of(self, provider_code: str) -> TrackingStatus:
        """The sender's own word."""
        return STATUSES.get(provider_code, TrackingStatus.UNKNOWN)

    def read_push(self, call: PushCall, keys: CarrierKeys) -> tuple[PushedRoute, ...]:
        """Check the signature and read the events of one parcel. Raises `PushRejected`."""
        try:
            check_signature(call.headers, call.body, secrets=_secrets(keys), at=call.received_at)
        except UntrustedMessage as error:
            raise PushRejected(error.code, error.detail) from error
        return (read_message(call.body, at=call.received_at),)

    def push_reply(self, accepted: bool) -> PushReply:
        return PushReply(204, _JSON, b"") if accepted else PushReply(503, _JSON, b'{"code": "unavailable"}')

    def push_refusal(self, call: PushCall, rejected: PushRejected) -> PushReply:
        """Name the reason and the field, so that the sender can mend it."""
        text = {"code": rejected.reason, "message": rejected.detail}
        return PushReply(400, _JSON, json.dumps(text, ensure_ascii=False).encode())


def _secrets(keys: CarrierKeys) -> list[str]:
    return [keys.secrets.get("secret", ""), *keys.secrets.get("previous_secrets", "").split()]
