from ordersite.messaging.admin import account, message, settings, stop_list, template

__all__ = ["account", "message", "settings", "stop_list", "template"]
