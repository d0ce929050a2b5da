"""A linear layer whose weight is laid out once for the processor that it runs on."""

import torch
import torch.nn.functional as F
from torch import Tensor


class Product:
    """x W^T + b.

    On the CPU oneDNN packs the weight beforehand: for few rows that is up to twice as fast as a linear layer, which
    reads the weight in an unsuited order at every call.

    Args:
        weight: (outputs, inputs).
        bias: (outputs,).
        precision: of the factors and of the result; sums are float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor, precision: torch.dtype = torch.float32) -> None:
        self._precision = precision
        self._weight, self._bias = weight.detach().to(precision).contiguous(), bias.detach().to(precision)
        self._packed = self._weight.device.type == "cpu" and _packs(precision)
        if self._packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        x = x.to(self._precision)
        if self._packed:
            result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
            return result
        return F.linear(x, self._weight, self._bias)


def _packs(precision: torch.dtype) -> bool:
    """Whether this PyTorch was built with oneDNN, and that knows the precision on this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    if precision is torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if precision is torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    return True
