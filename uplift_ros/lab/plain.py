"""Networks in PyTorch with the interface of streams, for `uplift export` and to run networks without an export."""

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from uplift_ros.models.configs import Lifted, UpliftConfig
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

Model = TypeVar("Model", bound=nn.Module)


class Part(nn.Module):
    """A part of a network as a module that can be exported.

    Args:
        model: the whole network.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model


class WindowStages(Part):
    """All stages of a stream except the central head and the strided stage before it.

    Inputs and outputs are those of `Uplifting`.
    """

    def forward(self, poses: Tensor, known: Tensor, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tokens = self.model.pose_tokens(poses)
        placed = torch.cat([self.model.upsampling_token[None], tokens, known])[windows]  # (B, T, D)
        hidden = self.model.temporal(placed, windows > 0)
        return tokens, self.model.sequence(hidden), hidden


class Central(Part):
    """The strided stage and the central head: hidden tokens (B, T, D) to poses (B, 17, 3)."""

    def forward(self, hidden: Tensor) -> Tensor:
        return self.model.central(hidden)


class Refine(Part):
    """SynSP: windows (B, T, 17, 3) to refined poses (B, T, 17, 4), whose fourth coordinate is the tension."""

    def forward(self, windows: Tensor) -> Tensor:
        output = self.model(windows.flatten(2))
        return torch.cat([output.final.unflatten(2, windows.shape[2:]), output.tension[..., None]], -1)


class PlainUplift:
    """An `Uplifting` in PyTorch, in inference mode.

    Args:
        model: the network, which stays on its device.
    """

    def __init__(self, model: UpliftUpsample) -> None:
        self.config = model.config
        self._device = model.temporal_position.device
        self._windows, self._central = WindowStages(model), Central(model)

    @torch.inference_mode()
    def __call__(self, poses: np.ndarray, known: np.ndarray, windows: np.ndarray) -> Lifted:
        known = known.reshape(-1, self.config.temporal_width)
        inputs = [torch.tensor(values, dtype=torch.float32, device=self._device) for values in (poses, known)]
        outputs = self._windows(*inputs, torch.tensor(windows, device=self._device))
        return Lifted(*(output.cpu().numpy() for output in outputs))

    @torch.inference_mode()
    def central(self, hidden: np.ndarray) -> np.ndarray:
        poses: np.ndarray = self._central(torch.from_numpy(hidden).to(self._device)).cpu().numpy()
        return poses


class PlainRefine:
    """A `Refining` in PyTorch, in inference mode.

    Args:
        model: the network, which stays on its device.
    """

    def __init__(self, model: SynSP) -> None:
        self.config = model.config
        self._device = model.dct.device
        self._refine = Refine(model)

    @torch.inference_mode()
    def __call__(self, windows: np.ndarray) -> np.ndarray:
        inputs = torch.tensor(windows, dtype=torch.float32, device=self._device)
        refined: np.ndarray = self._refine(inputs).cpu().numpy()
        return refined


def untrained_uplift(config: UpliftConfig) -> UpliftUpsample:
    """A network with random weights, for measurements."""
    torch.manual_seed(0)
    return UpliftUpsample(config).eval().requires_grad_(False)


def prepared(model: Model, device: str, threads: int) -> Model:
    """Move a model to a device, or to the CPU if PyTorch does not have that device.

    Args:
        device: as ONNX Runtime names it: cpu, cuda, tensorrt or openvino.
        threads: of PyTorch on the CPU.
    """
    torch.set_num_threads(threads)
    on_gpu = device.startswith(("cuda", "tensorrt")) and torch.cuda.is_available()
    return model.to(device.replace("tensorrt", "cuda") if on_gpu else "cpu")
