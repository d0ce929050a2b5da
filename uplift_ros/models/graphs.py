"""The uplifting network on a GPU as CUDA graphs: one launch per stage, fixed memory, no work for the CPU.

A graph replays the same kernels on the same memory, so there is one for every number of windows, rounded up to a power
of two. What a stage returns lies in such memory: it is valid until the stage is called again.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from uplift_ros.models.inference import UpliftInference
from uplift_ros.models.uplift import UpliftUpsample

Stage = Callable[..., Tensor]
Recorder = Callable[[Stage, Sequence[Tensor]], tuple[Callable[[], object], Tensor]]
"""Takes a stage and its inputs; gives what repeats the stage on the same memory, and the output that it writes."""


def record(stage: Stage, inputs: Sequence[Tensor]) -> tuple[Callable[[], object], Tensor]:
    """As a CUDA graph, of the device on which the inputs lie: a capture sees only the streams of one."""
    with torch.cuda.device(inputs[0].device):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # libraries choose their kernels and workspaces in the first calls
                stage(*inputs)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = stage(*inputs)
        return graph.replay, output


class Replayed:
    """A stage that is recorded at the first call with a number of rows, and replayed from then on.

    Args:
        stage: takes and gives tensors whose first dimension is the number of rows, each row on its own.
        recorder: `record`, or what stands in for it where there is no GPU.
    """

    def __init__(self, stage: Stage, recorder: Recorder) -> None:
        self._stage, self._recorder = stage, recorder
        self._recordings: dict[int, tuple[list[Tensor], Callable[[], object], Tensor]] = {}

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> Tensor:
        rows = len(inputs[0])
        size = 1 << max(rows - 1, 0).bit_length()
        if size not in self._recordings:
            static = [values.new_zeros(size, *values.shape[1:]) for values in inputs]
            self._recordings[size] = static, *self._recorder(self._stage, static)
        static, replay, output = self._recordings[size]
        for buffer, values in zip(static, inputs, strict=True):
            buffer[:rows].copy_(values, non_blocking=True)
        replay()
        return output[:rows]


class UpliftGraphs(UpliftInference):
    """UpliftInference whose stages are replayed; pose tokens are copied, because a stream keeps them."""

    WARM = (1, 2, 4, 8, 16)

    def __init__(
        self, model: UpliftUpsample, precision: torch.dtype = torch.float32, recorder: Recorder = record
    ) -> None:
        super().__init__(model, precision)
        tokens, temporal, central = (
            Replayed(stage, recorder) for stage in (super().pose_tokens, super().temporal, super().central)
        )
        self._token_graph, self._temporal_graph, self._central_graph = tokens, temporal, central

    def pose_tokens(self, poses: Tensor) -> Tensor:
        return self._token_graph(poses).clone()

    def temporal(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return self._temporal_graph(tokens, mask)

    def central(self, tokens: Tensor) -> Tensor:
        return self._central_graph(tokens)
