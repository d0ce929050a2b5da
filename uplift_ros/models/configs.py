"""Configs of the networks, and the protocols by which streams call them.

Letters as in `uplift.py` and `synsp.py`.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import numpy as np

from uplift_ros.camera import NORMALISATIONS
from uplift_ros.parameters import brief

LARGEST, LONGEST = 2048, 16
"""Upper bounds of a number and of a list's length in a config: a small file must not define a network of any size."""


@dataclass(frozen=True)
class UpliftConfig:
    """Shape of the network; the defaults are the paper's N = 81 configuration.

    Args:
        frames: N, frames that a window spans; raising it adds context and cost.
        token_stride: s_out, frames between tokens; every input stride is a multiple of it. Raising it costs less.
        input_strides: s_in values that the network was trained with.
        normalisation: of the 2D poses, see `camera.normalise`.
        model_rate: frames per second at which N, s_out and s_in are counted.
        strides, paddings: of the three strided blocks; the last one must output a single token.
        stochastic_depth: drop rate of the last block in a stack, rising linearly from 0; training only.
        deferred: defer attention to upsampling tokens to the second temporal block (DUTA).
        spatial, temporal, strided: switch a stage off, for ablation (Table 3). Without the temporal stage the first
            strided block defers attention, and there is no sequence head: the network has no poses for streams.
        scores: the 2D detector's score of each joint is a third coordinate of the input, 0 for an absent joint; the
            paper's networks, False, read two.
    """

    frames: int = 81
    token_stride: int = 2
    input_strides: tuple[int, ...] = (4, 10, 20)
    model_rate: float = 50.0
    normalisation: str = "canonical"
    joints: int = 17
    spatial_width: int = 32
    spatial_blocks: int = 4
    temporal_width: int = 384
    temporal_blocks: int = 4
    heads: int = 8
    mlp_ratio: int = 2
    strides: tuple[int, ...] = (4, 4, 3)
    paddings: tuple[tuple[int, int], ...] = ((1, 1), (0, 0), (0, 0))
    stochastic_depth: float = 0.1
    deferred: bool = True
    spatial: bool = True
    temporal: bool = True
    strided: bool = True
    scores: bool = False

    def __post_init__(self) -> None:
        if (self.frames - 1) % self.token_stride:
            raise ValueError(f"frames - 1 must be a multiple of token_stride {self.token_stride}, got {self.frames}")
        if wrong := [stride for stride in self.input_strides if stride % self.token_stride]:
            raise ValueError(f"input_strides must be multiples of token_stride {self.token_stride}, got {wrong}")
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"normalisation must be one of {', '.join(NORMALISATIONS)}, got {self.normalisation!r}")
        if not (self.temporal or self.strided):
            raise ValueError("temporal or strided must be True, otherwise no token reads another, got False for both")
        if self.strided and self.strided_lengths[-1] != 1:
            raise ValueError(f"strided blocks must end on 1 token, got lengths {self.strided_lengths}")

    @property
    def tokens(self) -> int:
        """T, tokens in a window."""
        return (self.frames - 1) // self.token_stride + 1

    @property
    def channels(self) -> int:
        """Coordinates of a joint in the input: x and y, and the score if the network reads it."""
        return 3 if self.scores else 2

    @property
    def centre(self) -> int:
        """Index of the token whose pose the central head returns."""
        return self.tokens // 2

    @property
    def strided_lengths(self) -> tuple[int, ...]:
        """Tokens before, between and after the strided blocks."""
        lengths = [self.tokens]
        for stride, (left, right) in zip(self.strides, self.paddings, strict=True):
            lengths.append((lengths[-1] + left + right - 3) // stride + 1)
        return tuple(lengths)


def n81() -> UpliftConfig:
    """Small configuration of the paper: 10.4 M parameters, a window of 1.6 s."""
    return UpliftConfig()


def n351() -> UpliftConfig:
    """Large configuration of the paper: a window of 7 s. Its strided path ends on token 34, one before the centre."""
    return UpliftConfig(
        frames=351, token_stride=5, input_strides=(5, 10, 20), strides=(3, 10, 3), paddings=((0, 0), (0, 0), (0, 0))
    )


def compact() -> UpliftConfig:
    """Half the temporal width of `n81`, for small machines: a quarter of its parameters. It reads detectors' scores."""
    return UpliftConfig(temporal_width=192, stochastic_depth=0.0, scores=True)


@dataclass(frozen=True)
class SynSPConfig:
    """Size of the network; the defaults are the paper's for H36M 3D poses.

    Args:
        joints, coordinates: of one frame; 17 and 3 for h36m17, 24 and 6 for SMPL rotations.
        window: T, frames that are refined together; raising it adds context and cost.
        width, ffn: D and the inner width of the feed-forward blocks.
        layers: of each of the four stacks.
        heads, head_width: of the attention, whose inner width is their product.
        dropout, attention_dropout: of the residual branches and of the attention probabilities.
        similarity_temperature: square metres at which the similarity cue falls to 1/e.
        untied_branches: each branch has a last layer of its own instead of repeating the fourth one.
        query_positions: positions are added to the decoder queries too, not only to the encoders' input.
        inverse_dct: heads predict frequencies, like their tokens, each output with a learned gain per frequency that
            depends on the window's spectrum; an inverse DCT converts them to frames. The network then starts as a
            low-pass filter.
    """

    joints: int = 17
    coordinates: int = 3
    window: int = 8
    width: int = 128
    ffn: int = 128
    layers: int = 4
    heads: int = 4
    head_width: int = 64
    dropout: float = 0.2
    attention_dropout: float = 0.1
    similarity_temperature: float = 1.0
    untied_branches: bool = False
    query_positions: bool = False
    inverse_dct: bool = False

    def __post_init__(self) -> None:
        for name in ("joints", "coordinates", "window", "width", "ffn", "layers", "heads", "head_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % 2:
            raise ValueError(f"width must be even (sine and cosine positions), got {self.width}")
        if self.similarity_temperature <= 0:
            raise ValueError(f"similarity_temperature must be positive, got {self.similarity_temperature}")

    @property
    def channels(self) -> int:
        """C, values of one frame."""
        return self.joints * self.coordinates


class Lifted(NamedTuple):
    """Result of a forward pass of the uplifting network.

    Attributes:
        tokens: (K, D) of the new poses.
        sequence: (B, T, J, 3) root-relative poses in metres, of every token; of none without the temporal stage.
        hidden: (B, T, D), the input of `central`; without the temporal stage after the first strided block.
    """

    tokens: np.ndarray
    sequence: np.ndarray
    hidden: np.ndarray


class Uplifting(Protocol):
    """Uplift and Upsample for streams: each pose goes through the spatial stage once."""

    config: UpliftConfig

    def __call__(self, poses: np.ndarray, known: np.ndarray, windows: np.ndarray) -> Lifted:
        """Uplift windows of new poses and known tokens.

        Args:
            poses: (K, J, 2 or 3) normalised 2D poses whose tokens are not known yet, K at least 1.
            known: (M, D) tokens of earlier calls.
            windows: (B, T) integers: 0 where no pose was seen, 1 to K for a new pose, from K + 1 for a known token.
        """

    def central(self, hidden: np.ndarray) -> np.ndarray:
        """Run the strided stage and the central head: `hidden` of a call to poses (B, J, 3) of the windows' centres."""


class Refining(Protocol):
    """SynSP for streams of one view."""

    config: SynSPConfig

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Refine windows.

        Args:
            windows: (B, T, J, C) root-relative joints, metres.

        Returns:
            (B, T, J, C + 1): refined joints, and the tension between the two branches at each, metres.
        """


def checked(config_class: type, values: Any) -> Any:
    """Build a config from the values of a file, after a check of types and ranges.

    Raises:
        ValueError: an unknown name, or a value of a wrong type or out of range; names it.
    """
    if not isinstance(values, dict):
        raise ValueError(f"config must be names with values, got {brief(values)}")
    defaults = {field.name: field.default for field in fields(config_class)}
    for name, value in values.items():
        if name not in defaults:
            raise ValueError(f"config must have names of {', '.join(defaults)}, got {brief(name)}")
        if not _is_like(defaults[name], value):
            raise ValueError(f"{name} must be like {defaults[name]!r} and at most {LARGEST}, got {brief(value)}")
    return config_class(**{name: _tuples(value) for name, value in values.items()})


def _is_like(default: Any, value: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, list) and len(value) <= LONGEST and all(_is_like(default[0], item) for item in value)
    if isinstance(default, (bool, str)):
        return type(value) is type(default)
    return type(value) in {type(default), int} and 0 <= value <= LARGEST


def _tuples(value: Any) -> Any:
    """Convert lists of JSON to the tuples of config dataclasses."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
