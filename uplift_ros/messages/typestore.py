"""Message types without ROS: those of ROS 2 Kilted, and this package's own, parsed from msg/."""

from functools import cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from uplift_ros.paths import share_folder


@cache
def typestore() -> Typestore:
    """Return the store of types by name ("uplift_ros/msg/Skeletons"), which serialises and deserialises.

    Raises:
        FileNotFoundError: the package was installed without its message definitions.
    """
    definitions = sorted((share_folder() / "msg").glob("*.msg"))
    if not definitions:
        raise FileNotFoundError(f"no message definitions in {share_folder() / 'msg'}")
    store = get_typestore(Stores.ROS2_KILTED)
    types = {}
    for path in definitions:
        types.update(get_types_from_msg(path.read_text(), f"uplift_ros/msg/{path.stem}"))
    store.register(types)
    return store


def message_class(msgtype: str) -> type:
    """Return the class of a message type, for messages without ROS.

    Raises:
        KeyError: neither ROS 2 Kilted nor this package has this type.
    """
    return typestore().types[msgtype]
