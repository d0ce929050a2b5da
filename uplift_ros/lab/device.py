"""PyTorch's device of a network."""

import torch


def find(name: str) -> torch.device:
    """The device of a parameter `device`.

    Raises:
        ValueError: PyTorch has no device of this name here; lists those that it has.
    """
    count = torch.cuda.device_count()
    available = ["cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name not in available:
        built = "" if torch.backends.cuda.is_built() else "; this PyTorch was built without CUDA"
        raise ValueError(f"device must be one that is here ({', '.join(available)}), got {name!r}{built}")
    return torch.device(name)
