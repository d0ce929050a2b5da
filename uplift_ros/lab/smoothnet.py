"""SmoothNet, a baseline of the refinement network, smooths windows of poses along time, each coordinate on its own.

Zeng et al.: "SmoothNet: A Plug-and-Play Network for Refining Human Poses in Videos", ECCV 2022, in the size of SynSP's
comparison (CVPR 2024). As it reads one coordinate at a time, it can separate jitter from motion by their course over
time only.

Shapes: B windows, T frames, C values of one frame.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from uplift_ros.models import weights


@dataclass(frozen=True)
class SmoothNetConfig:
    """Size of the network; the defaults give the 797,448 parameters of the published one with a window of 8.

    Args:
        window: T, frames that are smoothed together; a larger window smooths more and needs more latency.
        width, inner: features outside and inside the residual blocks.
        blocks: number of residual blocks.
        dropout: rate after each linear layer of the blocks.

    Raises:
        ValueError: a size below 1.
    """

    window: int = 8
    width: int = 512
    inner: int = 256
    blocks: int = 3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        for name in ("window", "width", "inner", "blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class ResidualBlock(nn.Module):
    """x + two linear layers, each with dropout and a leaky ReLU."""

    def __init__(self, config: SmoothNetConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.width, config.inner),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(0.2),
            nn.Linear(config.inner, config.width),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SmoothNet(nn.Module):
    """The network: time to features, residual blocks, features to time.

    Args:
        config: size.
    """

    def __init__(self, config: SmoothNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encode = nn.Sequential(nn.Linear(config.window, config.width), nn.LeakyReLU(0.1))
        self.blocks = nn.Sequential(*(ResidualBlock(config) for _ in range(config.blocks)))
        self.decode = nn.Linear(config.width, config.window)

    def forward(self, poses: Tensor) -> Tensor:
        """Smooth windows (B, T, C) of root-relative poses, metres.

        Raises:
            ValueError: another number of dimensions or frames.
        """
        if poses.ndim != 3 or poses.shape[1] != self.config.window:
            raise ValueError(f"poses must be (B, {self.config.window}, C), got {tuple(poses.shape)}")
        courses = poses.transpose(1, 2)  # (B, C, T)
        return self.decode(self.blocks(self.encode(courses))).transpose(1, 2)


weights.ARCHITECTURES["smoothnet"] = (SmoothNetConfig, SmoothNet)
