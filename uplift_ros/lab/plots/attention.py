"""Attention between the tokens of a window in the first temporal block, with and without deferral (figure 1)."""

import argparse
import math
from typing import Any, cast

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from uplift_ros.camera import normalise
from uplift_ros.lab.data.protocols import Clip
from uplift_ros.lab.plots.plot_data import add_study_arguments, load_study
from uplift_ros.lab.plots.style import VERMILLION, new_figure
from uplift_ros.models.configs import UpliftConfig
from uplift_ros.models.uplift import MASKED_SCORE, Attention, Block, UpliftUpsample

AVERAGED_WINDOWS = 64
"""Number of windows whose attention is averaged, evenly taken from all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--stride", type=int, default=20, help="frames between key-frames")


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    study = load_study(args)
    config = study.model.config
    mask = keyframe_mask(config, args.stride)
    poses = keyframe_poses(study.clips, config, mask, args.stride)
    maps = {
        "deferred (DUTA)": token_attention(study.model, poses, mask, deferred=True),
        "same weights, not deferred": token_attention(study.model, poses, mask, deferred=False),
    }
    return draw(maps, mask, config), (
        f"First temporal block, mean over {config.heads} heads and {len(poses)} windows of {config.frames} frames, "
        f"stride {args.stride}; triangles: tokens with a pose.\n{study.subject}"
    )


def keyframe_mask(config: UpliftConfig, stride: int) -> np.ndarray:
    """(T,) bool, true at the tokens with a pose, in a window whose centre is a key-frame.

    Args:
        config: of the network.
        stride: of key-frames.

    Raises:
        ValueError: the stride is no positive multiple of s_out.
    """
    if stride < 1 or stride % config.token_stride:
        raise ValueError(
            f"stride must be a positive multiple of {config.token_stride} (the model's s_out), got {stride}"
        )
    return (np.arange(config.tokens) - config.centre) * config.token_stride % stride == 0


def keyframe_poses(clips: list[Clip], config: UpliftConfig, mask: np.ndarray, stride: int) -> Tensor:
    """Normalised 2D poses (W, P, 17, 2) at the P pose tokens of up to AVERAGED_WINDOWS windows inside their clips.

    Args:
        clips: input.
        config: of the network.
        mask: (T,) bool, true at the pose tokens.
        stride: of key-frames.

    Raises:
        ValueError: no clip is as long as a window.
    """
    offsets = (np.flatnonzero(mask) - config.centre) * config.token_stride
    half = config.frames // 2
    windows = [
        normalise(
            clip.plane[centre + offsets], config.normalisation, clip.scores[centre + offsets] if config.scores else None
        )
        for clip in clips
        for centre in range(math.ceil(half / stride) * stride, len(clip.plane) - half, stride)
    ]
    if not windows:
        longest = max((len(clip.plane) for clip in clips), default=0)
        raise ValueError(f"sequence must hold a window of {config.frames} frames, got at most {longest} frames")
    evenly = np.linspace(0, len(windows) - 1, min(AVERAGED_WINDOWS, len(windows))).round().astype(int)
    return torch.from_numpy(np.stack(windows)[evenly]).float()


@torch.inference_mode()
def token_attention(model: UpliftUpsample, poses: Tensor, mask: np.ndarray, deferred: bool) -> np.ndarray:
    """(T, T) attention of tokens (rows) to tokens (columns), mean over heads and windows; rows sum to 1.

    Args:
        model: the network.
        poses: (W, P, 17, 2 or 3) normalised.
        mask: (T,) bool, true at the P pose tokens.
        deferred: tokens without a pose get no attention.

    Raises:
        ValueError: the network has no temporal stage.
    """
    if not model.config.temporal:
        raise ValueError("model must have its temporal stage, whose first block is shown, got one without")
    masks = torch.from_numpy(mask).expand(len(poses), -1)
    tokens = model.place(model.pose_tokens(poses.flatten(0, 1)), masks) + model.temporal_position
    block = cast(Block, model.temporal_blocks[0])
    score_mask = (~masks)[:, None, None, :] * MASKED_SCORE if deferred else None
    return attention_weights(block.attention, block.attention_norm(tokens), score_mask).mean((0, 1)).numpy()


def attention_weights(attention: Attention, x: Tensor, score_mask: Tensor | None) -> Tensor:
    """(B, heads, L, L) attention for tokens x (B, L, D), which the network's fused attention does not return."""
    batch, length, width = x.shape
    depth = width // attention.heads
    q, k, _ = attention.qkv(x).view(batch, length, 3, attention.heads, depth).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) / math.sqrt(depth)
    return (scores if score_mask is None else scores + score_mask).softmax(-1)


def draw(maps: dict[str, np.ndarray], mask: np.ndarray, config: UpliftConfig) -> Figure:
    """Draw a panel for each map (T, T) by its title, all with one colour scale.

    Args:
        mask: (T,) bool, true at the pose tokens.
        config: of the network.
    """
    figure = new_figure(height=3.9)
    panels = figure.subplots(1, len(maps), sharey=True)
    frames = (np.flatnonzero(mask) - config.centre) * config.token_stride
    edge = config.centre * config.token_stride + config.token_stride / 2
    highest = max(map(np.max, maps.values()))
    for axes, (title, attention) in zip(panels, maps.items(), strict=True):
        image = axes.imshow(attention, cmap="cividis", vmin=0, vmax=highest, extent=(-edge, edge, edge, -edge))
        to_upsampling = 100 * attention[:, ~mask].sum(1).mean()
        axes.set_title(f"{title}\n{to_upsampling:.0f} % goes to upsampling tokens", pad=10)
        axes.set_xlabel("key token (frame in the window)")
        axes.grid(False)
        _mark_poses(axes, frames, edge)
    panels[0].set_ylabel("querying token (frame in the window)")
    bar = figure.colorbar(image, ax=panels, shrink=0.75, pad=0.03)
    bar.set_label("attention")
    bar.outline.set_visible(False)
    return figure


def _mark_poses(axes: Axes, frames: np.ndarray, edge: float) -> None:
    """Draw triangles beside the map at tokens with a pose."""
    style: dict[str, Any] = {"color": VERMILLION, "markersize": 3.5, "linestyle": "none", "clip_on": False}
    axes.plot(frames, np.full(len(frames), -edge - 1.8), marker="v", **style)
    axes.plot(np.full(len(frames), edge + 1.8), frames, marker="<", **style)
    axes.set(xlim=(-edge, edge), ylim=(edge, -edge))
