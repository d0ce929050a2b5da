"""Uplift and Upsample: 3D poses for every frame from 2D poses at sparse key-frames.

Einfalt, Ludwig, Lienhart: "Uplift and Upsample: Efficient 3D Human Pose Estimation with Uplifting Transformers",
WACV 2023, arXiv 2210.06110.

Notation: B windows in a batch, N frames spanned by a window, T tokens at a spacing of s_out frames
(T = (N - 1) / s_out + 1), J joints, M observed poses, d and D widths of spatial and temporal tokens.
"""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uplift_ros.models.configs import UpliftConfig

MASKED_SCORE = -1e9
"""Added to attention scores of upsampling tokens. Finite, so that a window without any observed pose is not NaN."""


class DropPath(nn.Module):
    """Stochastic depth: drops a residual branch per sample and scales the kept ones by 1 / (1 - rate).

    Args:
        rate: of dropped samples in training; raising it regularises more.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class Attention(nn.Module):
    """Multi-head self-attention; `score_mask` (B, 1, 1, L) is added to the scores.

    Args:
        width: of tokens.
        heads: that share the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, score_mask: Tensor | None = None) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=score_mask)  # (B, heads, L, width / heads)
        return self.out(attended.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Pre-norm transformer block.

    Args:
        width, heads: of the attention.
        mlp_ratio: width of the hidden layer, in widths.
        activation: of the hidden layer.
        drop: rate of `DropPath`.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int, activation: type[nn.Module], drop: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=1e-5)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-5)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_ratio * width), activation(), nn.Linear(mlp_ratio * width, width))
        self.drop_path = DropPath(drop)

    def forward(self, x: Tensor, score_mask: Tensor | None = None) -> Tensor:
        x = x + self.drop_path(self.attention(self.attention_norm(x), score_mask))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class StridedBlock(nn.Module):
    """Transformer block whose MLP ends in a strided convolution, which shortens the sequence.

    Args:
        width, heads, mlp_ratio: as in `Block`.
        length: tokens that it reads, each with a position of its own.
        stride, padding: of the convolution.
    """

    def __init__(
        self, width: int, heads: int, mlp_ratio: int, length: int, stride: int, padding: tuple[int, int]
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.position = nn.Parameter(torch.empty(length, width))
        self.attention_norm = nn.LayerNorm(width, eps=1e-5)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-5)
        self.expand = nn.Linear(width, mlp_ratio * width)
        self.reduce = nn.Conv1d(mlp_ratio * width, width, kernel_size=3, stride=stride)

    def forward(self, x: Tensor, score_mask: Tensor | None = None) -> Tensor:
        x = x + self.position
        x = x + self.attention(self.attention_norm(x), score_mask)  # (B, L, D)
        hidden = F.relu(self.expand(self.mlp_norm(x))).transpose(1, 2)
        branch = self.reduce(F.pad(hidden, self.padding)).transpose(1, 2)  # (B, L', D)
        left, right = self.padding
        first, last = int(left == 0), x.shape[1] - int(right == 0)
        return x[:, first : last : self.stride] + branch


class UpliftUpsample(nn.Module):
    """Network of Uplift and Upsample, of the shape that `config` states.

    `forward` takes whole windows. A stream calls the stages separately: `pose_tokens` once for each new key-frame (they
    do not depend on the window), `place` and `temporal` once per window.
    """

    def __init__(self, config: UpliftConfig) -> None:
        super().__init__()
        self.config = config
        d, width, mlp_ratio = config.spatial_width, config.temporal_width, config.mlp_ratio
        if config.spatial:
            self.keypoint_embedding = nn.Linear(config.channels, d)
            self.joint_position = nn.Parameter(torch.empty(config.joints, d))
            self.spatial_blocks = nn.ModuleList(
                Block(d, config.heads, mlp_ratio, nn.GELU, rate)
                for rate in _drop_rates(config.stochastic_depth, config.spatial_blocks)
            )
            self.spatial_norm = nn.LayerNorm(d, eps=1e-6)
        self.to_token = nn.Linear(config.joints * (d if config.spatial else config.channels), width)
        self.upsampling_token = nn.Parameter(torch.empty(width))
        self.temporal_position = nn.Parameter(torch.empty(config.tokens, width))
        self.temporal_blocks = nn.ModuleList(
            Block(width, config.heads, mlp_ratio, nn.ReLU, rate)
            for rate in _drop_rates(config.stochastic_depth, config.temporal_blocks if config.temporal else 0)
        )
        if config.temporal:
            self.sequence_head = nn.Linear(width, config.joints * 3)
        lengths = config.strided_lengths if config.strided else ()
        self.strided_blocks = nn.ModuleList(
            StridedBlock(width, config.heads, mlp_ratio, *shape)
            for shape in zip(lengths[:-1], config.strides, config.paddings, strict=False)
        )
        self.central_head = nn.Linear(width, config.joints * 3)
        self._initialise()

    def forward(self, poses: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Uplift whole windows.

        Args:
            poses: (B, T, J, 2) normalised 2D poses, (B, T, J, 3) with scores; ignored if the mask is false.
            mask: (B, T) bool, true where a pose was observed.

        Returns:
            Root-relative 3D poses in metres: of the central token (B, J, 3), and as `sequence` of every token.
        """
        # 1. Spatial stage: one token for each observed pose; the learned upsampling token everywhere else.
        tokens = self.place(self.pose_tokens(poses[mask]), mask)
        # 2. Temporal stage: every token reads the observed ones, and from the second block on all others.
        tokens = self.temporal(tokens, mask)
        # 3. Strided stage to the central pose, and the sequence head for all tokens.
        return self.central(tokens), self.sequence(tokens)

    def pose_tokens(self, poses: Tensor) -> Tensor:
        """Spatial stage: poses (M, J, 2 or 3) to tokens (M, D), each pose on its own."""
        if not self.config.spatial:
            return self.to_token(poses.flatten(1))
        x = self.keypoint_embedding(poses) + self.joint_position  # (M, J, d)
        for block in self.spatial_blocks:
            x = block(x)
        return self.to_token(self.spatial_norm(x).flatten(1))

    def place(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Put the M pose tokens where `mask` (B, T) is true, in row-major order, and the upsampling token elsewhere."""
        placed = self.upsampling_token.to(tokens.dtype).repeat(*mask.shape, 1)  # (B, T, D)
        placed[mask] = tokens
        return placed

    def temporal(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Temporal stage on (B, T, D), or the first strided block without it: what depends on the mask.

        Attention to upsampling tokens is deferred to the second block.
        """
        x = tokens + self.temporal_position
        upsampled = (~mask)[:, None, None, :].to(x.dtype) * MASKED_SCORE if self.config.deferred else None
        for index, block in enumerate(self.temporal_blocks if self.config.temporal else self.strided_blocks[:1]):
            x = block(x, upsampled if index == 0 else None)
        return x

    def sequence(self, tokens: Tensor) -> Tensor:
        """Sequence head: (B, T, D) to (B, T, J, 3); (B, 0, J, 3) without the temporal stage."""
        if not self.config.temporal:
            return tokens.new_zeros(tokens.shape[0], 0, self.config.joints, 3)
        return self.sequence_head(tokens).unflatten(-1, (self.config.joints, 3))

    def central(self, tokens: Tensor) -> Tensor:
        """Strided stage and central head: the output of `temporal` to (B, J, 3)."""
        for block in self.strided_blocks if self.config.temporal else self.strided_blocks[1:]:
            tokens = block(tokens)
        middle = tokens[:, tokens.shape[1] // 2]
        return self.central_head(middle).unflatten(-1, (self.config.joints, 3))

    @property
    def heads(self) -> list[nn.Linear]:
        """The sequence head, unless the temporal stage is off, and the central head."""
        return [self.sequence_head, self.central_head] if self.config.temporal else [self.central_head]

    def _initialise(self) -> None:
        """Glorot-uniform matrices (q, k, v each on its own), zero biases; positions, token N(0, 0.02) within 2 sd."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Conv1d):
                for matrix in module.weight.chunk(3) if name.endswith("qkv") else [module.weight]:
                    nn.init.xavier_uniform_(matrix)
                nn.init.constant_(cast(Tensor, module.bias), 0.0)
        for name, parameter in self.named_parameters():
            if name.endswith(("position", "upsampling_token")):
                nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)


def _drop_rates(last: float, blocks: int) -> list[float]:
    return np.linspace(0, last, blocks).tolist()
