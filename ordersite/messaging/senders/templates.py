"""The key `templates` of an account: the vendor's names of its templates, by our event."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ordersite.messaging.senders.types import ChannelKeys


def template_problems(keys: ChannelKeys) -> list[str]:
    """The problems of the key, in the reader's language; its absence is `missing_keys`'."""
    templates = keys.config.get("templates")
    if not templates:
        return []
    if not isinstance(templates, dict) or not all(_is_name(one) for one in templates.values()):
        return [_("templates must name the channel's template of each event.")]
    return []


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 100
