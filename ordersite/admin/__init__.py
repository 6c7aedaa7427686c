"""The parts of the back office that compose the three apps: home page, navigation, order list, order page, search."""

from ordersite.admin import alerts, log, log_ins, orders, people, queues
from ordersite.admin.home import fill_home
from ordersite.admin.navigation import sidebar

__all__ = ["alerts", "fill_home", "log", "log_ins", "orders", "people", "queues", "sidebar"]
