"""QoS profiles by purpose. Every call makes a new profile, because rclpy writes QoS overrides into it."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def images(depth: int = 1) -> QoSProfile:
    """Profile for images: only the newest counts, because a queue would only add latency."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def compressed_images() -> QoSProfile:
    """Profile for compressed images: small enough to be sent again if lost, so that recordings are complete."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


def camera_info() -> tuple[QoSProfile, QoSProfile]:
    """Profiles for two subscriptions: one matches every camera driver, the other receives a latched camera_info."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT), latched()


def poses() -> QoSProfile:
    """Profile for key-frames and skeletons: none may be lost, even if a starved node is twenty seconds behind."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000, reliability=ReliabilityPolicy.RELIABLE)


def static_transforms() -> QoSProfile:
    """Profile of /tf_static, as tf2 publishes it: latched, the last message of every publisher."""
    profile = latched()
    profile.depth = 100
    return profile


def latched() -> QoSProfile:
    """Latched profile: the last message also reaches late subscribers."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
