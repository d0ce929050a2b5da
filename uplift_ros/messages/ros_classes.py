"""Message classes of rclpy by name."""

import importlib


def import_message(msgtype: str) -> type:
    """Import the rclpy class of "package/msg/Type".

    Raises:
        ImportError, AttributeError: it is not installed.
    """
    package, kind, name = msgtype.split("/")
    message_class: type = getattr(importlib.import_module(f"{package}.{kind}"), name)
    return message_class
