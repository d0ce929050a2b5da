"""Quality of service by purpose. Every call makes a new profile, because rclpy writes QoS overrides into it."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def images(depth: int = 1) -> QoSProfile:
    """Only the newest image counts: a queue would just make every image older."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def compressed_images() -> QoSProfile:
    """Small enough to be sent again where one got lost, so that recordings have them all."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


def camera_info() -> tuple[QoSProfile, QoSProfile]:
    """For two subscriptions: one receives from every camera driver, the other what was published once, and latched."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT), latched()


def poses() -> QoSProfile:
    """Key-frames and skeletons: none may be lost, also where a starved node has to make up for twenty seconds."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000, reliability=ReliabilityPolicy.RELIABLE)


def static_transforms() -> QoSProfile:
    """As tf2 publishes them: every publisher's last ones, whenever it began."""
    profile = latched()
    profile.depth = 100
    return profile


def latched() -> QoSProfile:
    """The last message also reaches those who subscribe later."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
