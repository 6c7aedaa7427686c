"""What payments show on an order's page, in the API, in search and in diagnosis. Pages of other apps read only this."""

from payments.about.diagnosis import explain
from payments.about.facts import facts_of
from payments.about.panel import panel, parts
from payments.about.search import find
from payments.about.timeline import timeline

__all__ = ["explain", "facts_of", "find", "panel", "parts", "timeline"]
