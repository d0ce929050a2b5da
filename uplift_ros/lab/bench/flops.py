"""Cost of the uplifting network in floating-point operations."""

from itertools import pairwise

from uplift_ros.models.configs import UpliftConfig


def estimate_flops(config: UpliftConfig, poses: int) -> int:
    """Floating-point operations of one window, with the central head only (Table 4).

    The convention is that of the TensorFlow 2.4 graph profiler, which reproduces all six figures of Table 4: 2 per
    multiply-add, 1 per output with a bias, 5 per score of a softmax and 1 for its scaling, 8 per element and 2 per row
    of a layer norm, 3 per GELU, 2 per element of the token substitution, 1 per pooled output, none for other additions.

    Args:
        config: of the network.
        poses: number of observed poses in the window.
    """

    def linear(rows: int, inputs: int, outputs: int) -> int:
        return rows * outputs * (2 * inputs + 1)

    def norm(rows: int, width: int) -> int:
        return rows * (8 * width + 2)

    def attention(batch: int, length: int, width: int) -> int:
        scores = batch * config.heads * length * length
        products = 2 * 2 * batch * length * length * width
        return 4 * linear(batch * length, width, width) + products + 6 * scores

    def mlp(rows: int, width: int, per_activation: int) -> int:
        hidden = config.mlp_ratio * width
        return linear(rows, width, hidden) + linear(rows, hidden, width) + per_activation * rows * hidden

    joints, d, width, tokens = config.joints, config.spatial_width, config.temporal_width, config.tokens
    seen, coordinates, total = poses * joints, config.channels, 0
    if config.spatial:
        spatial_block = 2 * norm(seen, d) + attention(poses, joints, d) + mlp(seen, d, per_activation=3)
        total += linear(seen, coordinates, d) + config.spatial_blocks * spatial_block + norm(seen, d)
        coordinates = d
    total += linear(poses, joints * coordinates, width) + 2 * tokens * width
    if config.temporal:
        temporal_block = 2 * norm(tokens, width) + attention(1, tokens, width) + mlp(tokens, width, per_activation=0)
        total += config.temporal_blocks * temporal_block
    hidden, lengths = config.mlp_ratio * width, config.strided_lengths if config.strided else ()
    for length, shorter in pairwise(lengths):
        total += 2 * norm(length, width) + attention(1, length, width) + linear(length, width, hidden)
        total += linear(shorter, 3 * hidden, width) + shorter * width
    return total + linear(1, width, joints * 3)
