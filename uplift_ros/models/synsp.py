"""SynSP: refinement of windows of noisy poses through the tension between smoothness and precision.

One base stage feeds two heads, one trained to be precise (position branch), the other to be smooth (acceleration
branch). If they disagree, the pose is bad; that tension is an input of the refinement stage, which predicts the result.

Source: SynSP, CVPR 2024, and its supplement. Poses should be root-relative and in metres: the heads predict absolute
values, so the caller subtracts the root and adds it again. Parameters that the authors' release instantiates but never
trains are omitted.

Shapes: B windows, P views of one moment, T frames, J joints, C = J * coordinates, D width, h heads.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uplift_ros.models.configs import SynSPConfig

LAYER_NORM_EPS = 1e-6
POSITION_PERIOD = 10000.0
QUALITY_OFFSET, QUALITY_FLOOR = 1e-6, 1e-5
"""Metres; they keep the quality cue defined if the branches agree exactly."""

START_GAIN = 0.02
"""Gain of the decoders' last layer norms if training starts from a filter: about a centimetre in the poses."""

CUTOFF = 1.5
"""DCT coefficient at which the gain of the smooth outputs starts at 1/2, in windows of 8 frames; with the averaging of
windows this is as smooth as a quadratic fit over 15 frames."""

SPECTRUM_EPS = 1e-4
"""Metres, added to each frequency before the logarithm."""

ACCELERATION_ROLES = {"position": 0.0, "acceleration": 1.0, "final": 0.5}
"""Weight of the acceleration loss of each output (SynSP, CVPR 2024, loss of the two branches and the result)."""


class SynSPOutput(NamedTuple):
    """Refined windows, shaped and scaled as the input: (B, T, C) or (B, P, T, C).

    Attributes:
        position: the precise branch, O_p.
        acceleration: the smooth branch, O_a.
        final: the refinement stage, O.
        tension: (..., T, J), length of half the difference of the two branches at each joint, metres; small is good.
    """

    position: Tensor
    acceleration: Tensor
    final: Tensor
    tension: Tensor


class LinearPair(nn.Module):
    """Two affine maps with no nonlinearity between them, as published."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.second = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Attention(nn.Module):
    """MHA(x, m) = LN(x + Drop(W_o softmax(Q K^T / sqrt(d)) V)), projections without bias, norm after the residual."""

    def __init__(self, config: SynSPConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_width
        self.heads = config.heads
        self.attention_dropout = config.attention_dropout
        self.query, self.key, self.value = (nn.Linear(config.width, inner, bias=False) for _ in range(3))
        self.project = nn.Linear(inner, config.width, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.width, LAYER_NORM_EPS)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        q, k, v = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, h, tokens, head width)
            for projected in (self.query(x), self.key(memory), self.value(memory))
        )
        dropout = self.attention_dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout).transpose(1, 2).flatten(2)
        return self.norm(x + self.dropout(self.project(attended)))


class FeedForward(nn.Module):
    """FFN(x) = LN(x + Drop(W_2 ReLU(W_1 x)))."""

    def __init__(self, config: SynSPConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.ffn)
        self.contract = nn.Linear(config.ffn, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.width, LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.dropout(self.contract(F.relu(self.expand(x)))))


class Layer(nn.Module):
    """Encoder layer if a sequence attends to itself, decoder layer if it attends to a memory."""

    def __init__(self, config: SynSPConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.ffn = FeedForward(config)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        return self.ffn(self.attention(x, memory))


class SynSP(nn.Module):
    """Network of SynSP: two encoders, base stage with two branches, pose quality encoding, refinement stage."""

    def __init__(self, config: SynSPConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SynSPConfig()
        width, channels = config.width, config.channels

        def stack() -> nn.ModuleList:
            return nn.ModuleList(Layer(config) for _ in range(config.layers))

        self.embed = LinearPair(channels, width, width)
        self.local_encoder, self.global_encoder = stack(), stack()
        self.base_decoder, self.refine_decoder = stack(), stack()
        self.branch_layers = nn.ModuleList(Layer(config) for _ in range(2 if config.untied_branches else 0))
        self.position_head, self.acceleration_head, self.final_head = (
            LinearPair(width, 2 * width, channels) for _ in range(3)
        )
        self.dropout = nn.Dropout(config.dropout)
        dct = dct_matrix(config.window)
        self.dct: Tensor
        self.idct: Tensor
        self.positions: Tensor
        self.register_buffer("dct", dct, persistent=False)
        self.register_buffer("idct", torch.linalg.inv(dct), persistent=False)
        self.register_buffer("positions", sine_positions(config.window, width), persistent=False)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        if config.inverse_dct:
            window = config.window
            self.frequency_gains = nn.ParameterDict({name: torch.ones(window) for name in ACCELERATION_ROLES})
            self.spectrum_gains = nn.ModuleDict({name: nn.Linear(window, window) for name in ACCELERATION_ROLES})
            self._start_as_filter()

    @torch.no_grad()
    def _start_as_filter(self) -> None:
        """Make the position branch nearly the input, the other outputs nearly its low-pass filtered form.

        The heads invert the embedding, the decoders add little to their query. This is only possible if heads predict
        frequencies and the width is at least C. From random weights, the absolute poses alone take many epochs.
        """
        cutoff = CUTOFF * self.config.window / 8
        for name, role in ACCELERATION_ROLES.items():
            if role:
                self.frequency_gains[name] /= 1 + (torch.arange(self.config.window) / cutoff) ** 4
        for parameter in self.spectrum_gains.parameters():
            nn.init.zeros_(parameter)
        heads = (self.position_head, self.acceleration_head, self.final_head)
        for pair in (self.embed, *heads):
            for linear in (pair.first, pair.second):
                nn.init.orthogonal_(linear.weight)
                nn.init.zeros_(linear.bias)
        for head in heads:
            head.second.weight.copy_((head.first.weight @ self.embed.second.weight @ self.embed.first.weight).T)
        for layer in (self.base_decoder[-1], *self.branch_layers, self.refine_decoder[-1]):
            nn.init.constant_(layer.ffn.norm.weight, START_GAIN)

    def forward(self, poses: Tensor) -> SynSPOutput:
        """Refine windows of poses.

        Args:
            poses: (B, T, C), or (B, P, T, C) with P views of the same moments, each in its own camera frame.

        Raises:
            ValueError: wrong number of dimensions, frames or channels.
        """
        c = self.config
        if poses.ndim not in (3, 4) or poses.shape[-2:] != (c.window, c.channels):
            raise ValueError(
                f"poses must be (B, {c.window}, {c.channels}) or (B, P, {c.window}, {c.channels}), "
                f"got {tuple(poses.shape)}"
            )
        views = poses if poses.ndim == 4 else poses.unsqueeze(1)  # (B, P, T, C)
        batch, count = views.shape[:2]

        # 1. Embedding of frequencies: every token is one DCT coefficient of the whole window.
        frequencies = self.dct @ views
        tokens = self.embed(frequencies)  # (B, P, T, D)
        spectrum = (frequencies.abs().mean(-1) + SPECTRUM_EPS).log().flatten(0, 1)  # (BP, T)
        located = tokens + self.positions
        query = (located if c.query_positions else tokens).flatten(0, 1)  # (BP, T, D)

        # 2. Encoders: local, each view separately; global, all views together, with a copy for every view.
        local = self.encode(self.local_encoder, located.flatten(0, 1))  # (BP, T, D)
        shared = self.encode(self.global_encoder, located.flatten(1, 2))  # (B, PT, D)
        shared = shared.unsqueeze(1).expand(-1, count, -1, -1).unflatten(2, (count, -1))  # (B, P, P, T, D)

        # 3. Base stage: the fourth layer is applied once more for each branch, which differ in training by dropout.
        memory = torch.cat([local, attach(shared, self.similarity(views))], 1)  # (BP, T + PT, D)
        base = decode(self.base_decoder, query, memory)
        last = self.base_decoder[-1]
        for_position, for_acceleration = self.branch_layers or (last, last)
        z_position = query + for_position(base, memory)  # (BP, T, D)
        z_acceleration = query + for_acceleration(base, memory)
        position = self.to_frames(self.position_head(z_position), "position", spectrum)
        acceleration = self.to_frames(self.acceleration_head(z_acceleration), "acceleration", spectrum)
        position, acceleration = (x.unflatten(0, (batch, count)) for x in (position, acceleration))  # (B, P, T, C)

        # 4. Pose quality encoding: the agreement of the branches is a cue on the view's own tokens. No gradient.
        agreed = ((position + acceleration) / 2).detach()
        tension = ((position - acceleration) / 2).detach()
        own = torch.eye(count, device=views.device).unsqueeze(-1)  # (P, P, 1)
        quality = own * pose_quality(tension).unsqueeze(2)  # (B, P, P, T)

        # 5. Refinement stage.
        memory = torch.cat([z_acceleration, attach(shared, self.similarity(agreed) + quality)], 1)
        refined = query + decode(self.refine_decoder, query, memory)
        final = self.to_frames(self.final_head(refined), "final", spectrum).unflatten(0, (batch, count))

        tension = tension.unflatten(-1, (c.joints, c.coordinates)).norm(dim=-1)  # (B, P, T, J)
        output = SynSPOutput(position, acceleration, final, tension)
        return output if poses.ndim == 4 else SynSPOutput(*(part.squeeze(1) for part in output))

    def encode(self, stack: nn.ModuleList, x: Tensor) -> Tensor:
        x = self.dropout(x)
        for layer in stack:
            x = layer(x, x)
        return x

    def to_frames(self, values: Tensor, output: str, spectrum: Tensor) -> Tensor:
        """Convert values (BP, T, C) of a head to frames; the published network takes per-frequency tokens as frames.

        Gains depend on the logarithms `spectrum` (BP, T) of the window's frequencies: white noise needs much smoothing,
        and smooth motion is preserved.
        """
        if not self.config.inverse_dct:
            return values
        gains = self.frequency_gains[output] * self.spectrum_gains[output](spectrum).exp()
        return self.idct @ (gains[..., None] * values)

    def similarity(self, poses: Tensor) -> Tensor:
        """Similarity cue of the views at each frame: (B, P, T, C) to (B, target view, other view, T), own view 1."""
        gap = (poses.unsqueeze(1) - poses.unsqueeze(2)).square().mean(-1)
        return torch.exp(-gap / self.config.similarity_temperature)


def decode(stack: nn.ModuleList, query: Tensor, memory: Tensor) -> Tensor:
    for layer in stack:
        query = layer(query, memory)
    return query


def attach(shared: Tensor, cue: Tensor) -> Tensor:
    """Add a cue (B, P, P, T) to all channels of the shared tokens (B, P, P, T, D), view-major: (BP, PT, D)."""
    return (shared + cue.unsqueeze(-1)).flatten(2, 3).flatten(0, 1)


def pose_quality(tension: Tensor) -> Tensor:
    """Weight of each frame, from 1/e at the window's worst to nearly 1: tension (..., T, C) to (..., T)."""
    tension = tension.abs()
    worst = tension.amax(-2, keepdim=True) + QUALITY_FLOOR
    return torch.exp(-(tension + QUALITY_OFFSET) / worst).mean(-1)


def dct_matrix(length: int) -> Tensor:
    """(T, T) DCT-II, not normalised: row k holds 2 cos(pi k (2 n + 1) / 2 T)."""
    n = torch.arange(length, dtype=torch.float64)
    return (2 * torch.cos(math.pi * n[:, None] * (2 * n + 1) / (2 * length))).float()


def sine_positions(length: int, width: int) -> Tensor:
    """(T, D) sine on even and cosine on odd channels."""
    rate = POSITION_PERIOD ** (-torch.arange(0, width, 2) / width)
    angle = torch.arange(length)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def synsp_loss(output: SynSPOutput, target: Tensor, acceleration_weight: float = 1.0) -> Tensor:
    """Sum over the three outputs of L1 in position and, by role, L1 in acceleration (position weight 1).

    Acceleration is the second difference along the time axis, also for several views (the authors' release
    differences axis 1, which are then the views).

    Args:
        target: true poses, shaped as the outputs; at least 3 frames.
        acceleration_weight: lambda_a; the paper's configurations use 1 (H36M 3D) and 0.1 (AIST++ 3D, H36M 2D).
    """
    true_acceleration = target.diff(n=2, dim=-2)
    loss = target.new_zeros(())
    for name, role in ACCELERATION_ROLES.items():
        predicted = getattr(output, name)
        loss = loss + F.l1_loss(predicted, target)
        if role:
            loss = loss + role * acceleration_weight * F.l1_loss(predicted.diff(n=2, dim=-2), true_acceleration)
    return loss
