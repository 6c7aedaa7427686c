"""The parts of the back office that compose the three apps: home page, navigation, order list, order page, search."""

from ordersite.admin import alerts, bulk_jobs, log, log_ins, orders, people, queues
from ordersite.admin.home import fill_home
from ordersite.admin.navigation import sidebar
from ordersite.hold_desk import pages as hold_desk

__all__ = [
    "alerts",
    "bulk_jobs",
    "fill_home",
    "hold_desk",
    "log",
    "log_ins",
    "orders",
    "people",
    "queues",
    "sidebar",
]
