"""Writes a message out: the shop's text or the product's own, with the values of the order, as its channel takes it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import segno
from django.template.loader import render_to_string
from django.utils import translation

from ordersite.messaging.accounts import template_id_of
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageEvent, MessageTemplate
from ordersite.messaging.routes import ShopRoutes, code_of
from ordersite.messaging.senders.interface import AddressKind, Sender
from ordersite.messaging.senders.types import InlineImage, OutgoingMessage
from ordersite.messaging.texts.shipped import MessageText, shipped_text
from ordersite.messaging.texts.values import tracking_link, values_of
from ordersite.messaging.texts.variables import fill, variables_in
from ordersite.messaging.texts.wechat_fields import fill_fields

_QR = "tracking-qr"


class NoText(Exception):
    """The shop has no text for this message, or one that cannot be filled in."""


def texts_of(messages: Iterable[BuyerMessage]) -> dict[tuple[int, str, str], MessageTemplate]:
    """The shops' own texts for these messages, by shop, fact and language. One query."""
    wanted = list(messages)
    rows = MessageTemplate.objects.filter(
        merchant_id__in={one.merchant_id for one in wanted}, event__in={one.event for one in wanted}, name=""
    )
    return {(row.merchant_id, row.event, row.language): row for row in rows}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the messages of one shop out; `own` are the shops' own texts."""

    shop: ShopRoutes
    own: Mapping[tuple[int, str, str], MessageTemplate]

    def write(
        self, message: BuyerMessage, account: MessageAccount, sender: Sender, recipient: str
    ) -> OutgoingMessage:
        """The message as the sender takes it. Raises NoText."""
        if message.order is None:
            return OutgoingMessage(key=message.outside_id, text=message.text)
        language = self.shop.settings.language
        with translation.override(language):
            values = values_of(message.order, message.shipment)
        found = self._text(message, language)
        try:
            text, params = fill(found.text, values), _params(found, values, sender)
            subject = fill(found.subject, values) or text[:60]
        except ValueError as error:
            raise NoText from error
        is_mail = sender.address_kind == AddressKind.EMAIL
        shows_code = is_mail and message.event == MessageEvent.CREATED
        link = tracking_link(message.order)
        return OutgoingMessage(
            key=message.outside_id,
            recipient=recipient,
            template_id=template_id_of(account, code_of(message)) if sender.uses_templates else "",
            params=params,
            text=text,
            subject=subject,
            html=_html(text, link, language, shows_code=shows_code) if is_mail else "",
            link=link,
            inline_images=(InlineImage(content_id=_QR, content=qr_png(link)),) if shows_code else (),
        )

    def _text(self, message: BuyerMessage, language: str) -> MessageText | MessageTemplate:
        own = message.template or self.own.get((message.merchant_id, message.event, language))
        found = own or shipped_text(MessageEvent(message.event), language)
        if found is None:
            raise NoText
        return found


def _params(text: MessageText | MessageTemplate, values: Mapping[str, str], sender: Sender) -> dict[str, str]:
    """The values for the vendor's template: WeChat's fields, or the variables of an SMS in the order of its text."""
    if not sender.uses_templates:
        return {}
    if sender.address_kind == AddressKind.OPENID:
        return fill_fields(text.wechat, values)
    return {name: values[name] for name in variables_in(text.text)}


def _html(text: str, link: str, language: str, *, shows_code: bool) -> str:
    before, _link, after = text.partition(link)
    parts = {"before": before, "link": _link, "after": after}
    with translation.override(language):
        return render_to_string(
            "messaging/mail.html", {**parts, "language": language, "code": _QR if shows_code else ""}
        )


def qr_png(text: str) -> bytes:
    """The QR code of a text as PNG: mail programs show no SVG."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=6, border=3)
    return drawn.getvalue()
