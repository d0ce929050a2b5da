"""Error against latency: the gain of a stream that waits for later frames."""

import argparse

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from uplift_ros.lab.data import protocols
from uplift_ros.lab.evaluation.scores import frame_errors
from uplift_ros.lab.plots.plot_data import Study, add_study_arguments, load_study
from uplift_ros.lab.plots.style import legend_above, new_figure, series


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--stride", type=int, nargs="+", help="the network's own otherwise")
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 4, 10, 20, 40], help="frames")


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    study = load_study(args)
    latencies = sorted(set(args.latency))
    errors = {stride: errors_at(study, stride, latencies) for stride in args.stride or study.strides}
    text = "Online protocol; dashed: offline, central head. Without the end of each clip, which has less latency."
    return draw(latencies, errors, study.rate), f"{text}\n{study.subject}"


def errors_at(study: Study, stride: int, latencies: list[int]) -> np.ndarray:
    """(1 + L,) MPJPE in mm, offline and online at each latency.

    Frames at the end of a clip become final early, whatever the latency, and would flatten the curve. Frames count if
    at least as many follow as the longest latency.

    Args:
        study: network and clips.
        stride: of key-frames.
        latencies: frames.

    Raises:
        ValueError: no clip is longer than the longest latency.
    """
    control = protocols.fixed(study.model.config, stride)
    errors, lengths = [], []
    with tqdm(study.clips, f"stride {stride}", leave=False) as clips:
        for clip in clips:
            online = [protocols.online(study.model, clip, control, latency) for latency in latencies]
            lengths.append(len(online[0].frames))
            counted = max(0, lengths[-1] - max(latencies))
            estimates = [protocols.offline(study.model, clip, stride), *online]
            errors.append([frame_errors(estimate)[:counted] for estimate in estimates])
    joined = np.concatenate(errors, axis=1)
    if not joined.size:
        raise ValueError(
            f"latency must be less than the {max(lengths)} frames of the longest sequence, got {max(latencies)}"
        )
    return joined.mean(1)


def draw(latencies: list[int], errors: dict[int, np.ndarray], rate: float) -> Figure:
    """Draw a curve for each stride, and its offline error as a dashed line; `errors` are those of `errors_at`."""
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for stride, (colour, marker) in series(list(errors)).items():
        offline, *online = errors[stride]
        axes.plot(latencies, online, color=colour, marker=marker, label=f"stride {stride}")
        axes.axhline(offline, color=colour, linestyle=(0, (4, 3)), linewidth=1)
    axes.set(xlabel="latency (frames, seconds)", ylabel="MPJPE (mm)")
    axes.set_xticks(latencies, [f"{latency}\n{latency / rate:g} s" for latency in latencies])
    legend_above(axes)
    return figure
