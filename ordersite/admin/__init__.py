"""The parts of the back office that compose the three apps: home page, navigation, order list, order page, search."""

from ordersite.admin import alerts, log, orders, people, queues
from ordersite.admin.home import fill_home
from ordersite.admin.navigation import sidebar

__all__ = ["alerts", "fill_home", "log", "orders", "people", "queues", "sidebar"]
