"""Calls a sender. Needs no database, so that threads may call; never raises."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from ordersite.lib.http import gateway
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.types import AccessToken, ChannelKeys, SendError, Sent
from ordersite.messaging.sending.judge import Outgoing

# A message that waited longer for its thread is not sent: its lease might end while it is on its way.
SEND_WITHIN_SECONDS = 20.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """An account as threads need it. `token` is its access token, empty where there is none."""

    sender: Sender
    keys: ChannelKeys
    token: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """How one attempt ended: taken, or with an error."""

    sent: Sent | None
    error: SendError | None
    duration_ms: int = 0


def call(channel: OpenChannel, outgoing: Outgoing, send_before: float) -> Called:
    """Send one message. `send_before` is a moment of `time.monotonic`: later it is not sent."""
    if time.monotonic() > send_before:
        return Called(None, SendError("busy", "it waited too long in its process"))
    started = time.monotonic()
    try:
        sent = channel.sender.send(outgoing.content, channel.keys, gateway(), channel.token)
        return Called(sent, None, _since(started))
    except SendError as error:
        return Called(None, error, _since(started))
    except Exception:  # the edge of a thread: the error is in the log, and the message may have been sent
        logger.exception("sender failed", extra={"channel": channel.sender.name})
        return Called(None, SendError("unknown", "fault"), _since(started))


def fetch_token(channel: OpenChannel) -> AccessToken | SendError:
    """Fetch a new access token."""
    try:
        return channel.sender.fetch_token(channel.keys, gateway())
    except SendError as error:
        return error
    except Exception:  # as above
        logger.exception("token not fetched", extra={"channel": channel.sender.name})
        return SendError("busy", "fault")


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
