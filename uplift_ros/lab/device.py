"""Device of a network in PyTorch."""

import torch


def find(name: str) -> torch.device:
    """The device of the option --device.

    Args:
        name: cpu, cuda or cuda:N.

    Raises:
        ValueError: PyTorch has no device of this name; lists those that it has.
    """
    count = torch.cuda.device_count()
    available = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name not in available:
        built = "" if torch.backends.cuda.is_built() else "; this PyTorch was built without CUDA"
        raise ValueError(f"device must be one of {', '.join(available)}, got {name!r}{built}")
    return torch.device(name)
