"""The uplifting network as nodes and commands run it."""

import torch

from uplift_ros.models import weights
from uplift_ros.models.graphs import UpliftGraphs
from uplift_ros.models.inference import UpliftInference
from uplift_ros.models.uplift import UpliftUpsample


def load(name: str, device: str = "cpu", precision: str = "float32") -> UpliftInference:
    """The network `name`, warm.

    Args:
        name: of shipped weights, or path of a .safetensors file.
        device: cpu, cuda or cuda:N.
        precision: float32, bfloat16 or float16, of its products.

    Raises:
        FileNotFoundError: no such weights.
        ValueError: they are of another network, or the device is not here.
    """
    return prepare(weights.load(name, UpliftUpsample, device), getattr(torch, precision))


def prepare(model: UpliftUpsample, precision: torch.dtype = torch.float32) -> UpliftInference:
    """The fast form of a model for the device that it lies on, warm."""
    on_gpu = model.temporal_position.is_cuda
    network = UpliftGraphs(model, precision) if on_gpu else UpliftInference(model, precision)
    network.warm_up()
    return network
