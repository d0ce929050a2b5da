"""Rows of `uplift bench` for the networks: the plain uplifting network against its fast forms, and SynSP."""

from collections.abc import Callable, Iterator
from functools import partial

import torch

from uplift_ros.lab.bench.measurements import Row, against_first, interleaved, measure, timed
from uplift_ros.models.configs import SynSPConfig, UpliftConfig, compact, n81, n351
from uplift_ros.models.inference import UpliftInference
from uplift_ros.models.runtime import prepare
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample, estimate_flops

VARIANTS: dict[str, Callable[[], UpliftConfig]] = {"compact": compact, "n81": n81, "n351": n351}
BATCHES = {"cpu": (1, 64), "cuda": (1, 8, 64, 512)}
HALF = {"cpu": torch.bfloat16, "cuda": torch.float16}


@torch.inference_mode()
def rows(seconds: float, device: str) -> Iterator[Row]:
    for name, variant in VARIANTS.items():
        model = UpliftUpsample(variant()).eval().requires_grad_(False).to(device)
        for batch in BATCHES[torch.device(device).type]:
            for stride in (min(model.config.input_strides), max(model.config.input_strides)):
                yield from _uplift_rows(f"{name} s_in {stride}", model, batch, stride, seconds, device)
    synsp = SynSP(SynSPConfig()).eval().to(device)
    for batch in (1, 20):
        windows = torch.randn(batch, synsp.config.window, synsp.config.channels, device=device)
        yield timed("synsp", measure(partial(_refine, synsp, windows), seconds), batch, device)


def _refine(model: SynSP, windows: torch.Tensor) -> torch.Tensor:
    return model(windows).final.cpu()


def _uplift_rows(
    name: str, model: UpliftUpsample, batch: int, stride: int, seconds: float, device: str
) -> Iterator[Row]:
    """Whole windows to central poses (Table 4), and as a stream has them: all pose tokens but one of a window known."""
    config = model.config
    mask = (torch.arange(config.tokens) * config.token_stride % stride == 0).expand(batch, -1).contiguous()
    poses = torch.randn(int(mask.sum()), config.joints, config.channels, device=device)
    on_device, half = mask.to(device), HALF[torch.device(device).type]
    known = model.pose_tokens(poses)

    def whole(stages: UpliftUpsample | UpliftInference) -> torch.Tensor:
        placed = stages.place(stages.pose_tokens(poses), mask)
        return stages.central(stages.temporal(placed, on_device)).cpu()

    def streamed(stages: UpliftInference) -> torch.Tensor:
        known[:batch] = stages.pose_tokens(poses[:batch])
        return stages.central(stages.temporal(stages.place(known, mask), on_device)).cpu()

    exact, halved = prepare(model), prepare(model, half)
    calls = {
        (f"{name} plain", torch.float32): partial(whole, model),
        (name, torch.float32): partial(whole, exact),
        (name, half): partial(whole, halved),
        (f"{name}, tokens known", torch.float32): partial(streamed, exact),
        (f"{name}, tokens known", half): partial(streamed, halved),
    }
    flops = estimate_flops(config, int(mask[0].sum()))
    yield from against_first(
        timed(title, times, batch, device, flops, str(precision).removeprefix("torch."))
        for (title, precision), times in interleaved(calls, seconds).items()
    )
