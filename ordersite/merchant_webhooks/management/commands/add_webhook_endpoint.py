"""`add_webhook_endpoint`: create an endpoint, or give one a new secret."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.models import Merchant
from ordersite.lib.errors import DomainError
from ordersite.merchant_webhooks.catalogue import EVENTS
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.merchant_webhooks.save import SavedEndpoint, add_endpoint, rotate_secret


class Command(BaseCommand):
    help = "Make an address to which events of a merchant's orders are sent; prints its secret once, as the last word."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument("--url", required=True)
        parser.add_argument(
            "--event",
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME",
            help="any of: " + ", ".join(one.name for one in EVENTS),
        )
        parser.add_argument(
            "--rotate",
            action="store_true",
            help="give the endpoint of this address a new secret; the old one signs along for 24 hours",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"there is no merchant {options['merchant']}")
        try:
            saved = self._rotated(merchant, options) if options["rotate"] else self._added(merchant, options)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"endpoint {saved.endpoint.pk} signs with the secret {saved.secret}")

    def _added(self, merchant: Merchant, options: dict[str, Any]) -> SavedEndpoint:
        return add_endpoint(merchant, url=options["url"], events=options["event"])

    def _rotated(self, merchant: Merchant, options: dict[str, Any]) -> SavedEndpoint:
        endpoint = WebhookEndpoint.objects.filter(merchant=merchant, url=options["url"].strip()).first()
        if endpoint is None:
            raise CommandError("this merchant has no endpoint of this address")
        return rotate_secret(endpoint)
