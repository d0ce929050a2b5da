"""Message classes of rclpy by name, and names of topics."""

import importlib

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.validate_full_topic_name import validate_full_topic_name

from uplift_ros.parameters import error_text


def import_message(msgtype: str) -> type:
    """Import the rclpy class of "package/msg/Type".

    Raises:
        ImportError, AttributeError: it is not installed.
    """
    package, kind, name = msgtype.split("/")
    message_class: type = getattr(importlib.import_module(f"{package}.{kind}"), name)
    return message_class


def check_topic(option: str, topic: str) -> None:
    """Check an absolute or relative name that a user typed.

    Raises:
        ValueError: names the option.
    """
    try:
        validate_full_topic_name(expand_topic_name(topic, "node", "/"))
    except (ValueError, NameValidationException) as error:
        raise ValueError(f"{option} must be the name of a topic, got {topic!r}: {error_text(error)}") from error
