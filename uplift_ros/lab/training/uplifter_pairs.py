"""An uplifting network's own streaming output on motion capture, with the truth: the input of a refiner."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.protocols import online, project_sequences
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.streaming.stride import FixedStride

LATENCY = 4
"""Frames; the node's default."""


def uplifter_pairs(
    model: UpliftUpsample, sequences: Sequence[mocap.Sequence], seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Estimate and truth, (T, 17, 3) metres in the optical frame, of every sequence through a camera of its own.

    Two of three are seen by a noisy detector, and every one at one of the network's strides.
    """
    rng = np.random.default_rng(seed)
    config = model.config
    pairs = []
    for sequence in tqdm(sequences, "uplifting", disable=None):
        noise = "detector" if rng.random() < 2 / 3 else "none"
        (clip,) = project_sequences([sequence], config.model_rate, 1, noise, int(rng.integers(2**31)))
        stride = int(rng.choice(config.input_strides))
        estimate = online(model, clip, FixedStride(stride, config.token_stride), stride, LATENCY)
        pairs.append((estimate.poses, estimate.truth))
    return pairs
