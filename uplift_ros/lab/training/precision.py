"""Training in bfloat16 on a processor that has the instructions (AVX-512 BF16, AMX); parameters stay in float32."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Bfloat16Products(TorchFunctionMode):
    """Context in which linear layers multiply in bfloat16, forward and backward, and return float32.

    PyTorch's autocast computes attention in bfloat16 too, which is slower than float32 on every processor measured.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.linear:
            return func(*args, **(kwargs or {}))
        with torch.autocast("cpu", torch.bfloat16):
            product: Tensor = func(*args, **(kwargs or {}))
        return product.float()


class Bfloat16Transformer(TorchFunctionMode):
    """Context of autocast to bfloat16 for training a transformer, a tenth faster than `Bfloat16Products`.

    On a processor, attention is computed without PyTorch's conversions and checks, which take a third of its time for
    narrow heads.

    Args:
        exact: layers that compute in float32; the output of a head in bfloat16 would be rounded to millimetres.
        device: type of the device, 'cpu' or 'cuda'; the latter has its own fast attention.
    """

    def __init__(self, exact: Sequence[nn.Linear] = (), device: str = "cpu") -> None:
        super().__init__()
        self.exact = {id(layer.weight) for layer in exact}
        self._device = device
        self._autocast = torch.autocast(device, torch.bfloat16)

    def __enter__(self) -> "Bfloat16Transformer":
        self._autocast.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._autocast.__exit__(*error)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear and id(args[1]) in self.exact:
            with torch.autocast(self._device, enabled=False):
                return func(args[0].float(), *args[1:], **(kwargs or {}))
        if func is F.scaled_dot_product_attention and self._device == "cpu":
            return _attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if attn_mask is not None:
        scores = scores + attn_mask.to(scores.dtype)
    with torch.autocast("cpu", enabled=False):
        return scores.softmax(-1) @ v.to(scores.dtype)
