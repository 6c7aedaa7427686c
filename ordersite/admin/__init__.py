"""The back office: the order page, list and search composed from the three apps, the frame and the home page."""

from ordersite.admin import log, orders, people, queues
from ordersite.admin.home import fill_home
from ordersite.admin.navigation import sidebar

__all__ = ["fill_home", "log", "orders", "people", "queues", "sidebar"]
