"""Widening of a trained network without a change of its output (Net2Net, arXiv 1511.05641).

Every temporal channel of the narrow network has several copies in the wide one. Weights that read such a channel are
split among the copies at random: the output is unchanged, but no two copies learn the same.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from uplift_ros.models.configs import UpliftConfig
from uplift_ros.models.uplift import UpliftUpsample

UNSHAPED = ("input_strides", "normalisation", "deferred", "stochastic_depth")
"""Fields of a config that do not affect the shape of weights and may differ."""


@torch.no_grad()
def widen(narrow: UpliftUpsample, config: UpliftConfig) -> UpliftUpsample:
    """Widen a network; the wide one predicts the same poses.

    Args:
        narrow: the trained network.
        config: of the wide network, whose temporal width is a multiple and which may read scores if `narrow` does not.

    Raises:
        ValueError: no multiple, or the two differ in more than temporal width, scores and UNSHAPED.
    """
    old = narrow.config
    ours = {name: getattr(old, name) for name in ("temporal_width", "scores", *UNSHAPED)}
    if replace(config, **ours) != old or config.temporal_width % old.temporal_width or old.channels > config.channels:
        raise ValueError(f"start: must be {config}, or narrower by a whole factor, got {old}")
    wide = UpliftUpsample(config)
    learned = narrow.state_dict()
    if old.channels < config.channels:  # scores have weights of 0 at first
        embedding = "keypoint_embedding.weight" if config.spatial else "to_token.weight"
        joints = learned[embedding].unflatten(1, (-1, old.channels))
        learned[embedding] = F.pad(joints, (0, config.channels - old.channels)).flatten(1)
    for name, tensor in wide.state_dict().items():
        tensor.copy_(_widened(name, learned[name], tensor.shape, config.heads))
    return wide


def _widened(name: str, tensor: Tensor, shape: torch.Size, heads: int) -> Tensor:
    """A parameter, repeated to `shape`."""
    for axis, size in enumerate(shape):
        copies = size // tensor.shape[axis]
        if copies == 1:
            continue
        # Channels of a head must stay together, so copies are made within each head.
        reads = axis == 1 and name.endswith("weight")
        groups = 3 * heads if "qkv" in name and not reads else heads if "attention.out" in name and reads else 1
        tensor = tensor.unflatten(axis, (groups, 1, -1)).repeat_interleave(copies, axis + 1)
        if reads:
            shares = torch.rand_like(tensor)
            tensor = tensor * shares / shares.sum(axis + 1, keepdim=True)
        tensor = tensor.flatten(axis, axis + 2)
        if "qkv" in name and not reads:
            # A score is the sum of `copies` times as many products, divided by the root of `copies` times the width.
            queries = tensor.shape[0] // 3
            tensor = torch.cat([tensor[:queries] / copies**0.5, tensor[queries:]])
    return tensor
