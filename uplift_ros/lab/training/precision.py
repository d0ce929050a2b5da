"""Products of matrices in bfloat16, everything else in float32: training on a processor that has the instructions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Bfloat16Products(TorchFunctionMode):
    """Within this context linear layers multiply in bfloat16, forward and backward, and give float32.

    Plain autocast runs attention in bfloat16 too, which is slower than in float32 on every processor measured.

    Args:
        exact: layers that stay in float32; a head's output in bfloat16 would be rounded to millimetres.
    """

    def __init__(self, exact: Sequence[nn.Linear] = ()) -> None:
        super().__init__()
        self.exact = {id(layer.weight) for layer in exact}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is not F.linear or id(args[1]) in self.exact:
            return func(*args, **(kwargs or {}))
        with torch.autocast("cpu", torch.bfloat16):
            product: Tensor = func(*args, **(kwargs or {}))
        return product.float()
