"""An adaptive run over time: velocity, chosen stride, and error compared with fixed strides (figure 4)."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from uplift_ros import metrics
from uplift_ros.lab.data import protocols
from uplift_ros.lab.evaluation.scores import frame_errors
from uplift_ros.lab.plots.plot_data import Study, add_study_arguments, load_study
from uplift_ros.lab.plots.style import AREA, BLUE, FAINT, INK, VERMILLION, legend_above, new_figure
from uplift_ros.settings import defaults_of
from uplift_ros.streaming.stride import Decision, StrideController

ADAPTIVE_COLOUR = INK
RUNS = ((ADAPTIVE_COLOUR, 1.0), (VERMILLION, 1.0), (BLUE, 2.4))
"""Colour and width of the adaptive run, the run with the long stride, the run with the short stride.

The last one is wide, so that it is visible behind the adaptive run if both agree.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser, one_sequence=True)
    parser.add_argument("--latency", type=int, default=protocols.LATENCY_FRAMES, help="frames")
    parser.add_argument("--threshold", type=float, default=0.5, help="m/s above which the stride is short")


@dataclass
class Recorded:
    """Controller that records the decisions of another.

    Attributes:
        controller: makes the decisions.
        frames, strides, velocities: of every decision; velocities in m/s.
    """

    controller: StrideController
    frames: list[int] = field(default_factory=list)
    strides: list[int] = field(default_factory=list)
    velocities: list[float] = field(default_factory=list)

    def update(self, frame: int, velocity: float) -> Decision:
        decision = self.controller.update(frame, velocity)
        self.frames.append(frame)
        self.strides.append(decision.stride)
        self.velocities.append(velocity)
        return decision


@dataclass(frozen=True)
class ControlledRun:
    """A clip processed with one controller."""

    estimate: protocols.Estimate
    control: Recorded


def picture(args: argparse.Namespace) -> tuple[Figure, str]:
    study = load_study(args)
    control = protocols.adaptive(study.model.config, velocity_threshold=args.threshold)
    runs = run_all(study, control, args.latency)
    thresholds = [defaults_of("uplift")["velocity_medium"], args.threshold]
    text = f"Online, latency {args.latency} frames. Ticks: key-frames. Legend: mean error and key-frames per second."
    return draw(runs, study.rate, thresholds), f"{text}\n{study.subject}"


def run_all(study: Study, adaptive: protocols.Control, latency: int) -> dict[str, ControlledRun]:
    """Run the first clip of a study with an adaptive stride, and with the longest and shortest strides of the network.

    Args:
        study: network and clips.
        adaptive: control of the first run.
        latency: frames.
    """
    controls = {"adaptive": adaptive}
    for stride in (study.strides[-1], study.strides[0]):
        controls[f"stride {stride}"] = protocols.fixed(study.model.config, stride)
    return {name: _run(study, control, latency) for name, control in controls.items()}


def _run(study: Study, control: protocols.Control, latency: int) -> ControlledRun:
    """Run without look back, so that all key-frames follow from the controller's decisions."""
    recorded = Recorded(control.controller())
    control = protocols.Control(control.stride, lambda: recorded)
    return ControlledRun(protocols.online(study.model, study.clips[0], control, latency), recorded)


def draw(runs: dict[str, ControlledRun], rate: float, thresholds: Sequence[float]) -> Figure:
    """Draw three panels over one time axis.

    Args:
        runs: by name, first the adaptive one.
        rate: frames per second.
        thresholds: m/s, of the adaptive run.
    """
    figure = new_figure(height=4.6)
    panels = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": (1.2, 0.7, 1.5)})
    adaptive = next(iter(runs.values()))
    _draw_velocity(panels[0], adaptive, rate, thresholds)
    _draw_stride(panels[1], adaptive, rate)
    _draw_errors(panels[2], runs, rate)
    panels[2].set(xlabel="time (s)", xlim=(0, len(adaptive.estimate.clip.truth) / rate))
    figure.align_ylabels(panels)
    return figure


def _draw_velocity(axes: Axes, run: ControlledRun, rate: float, thresholds: Sequence[float]) -> None:
    true = metrics.velocity(run.estimate.clip.truth, rate)
    axes.fill_between(np.arange(1, len(true) + 1) / rate, true, color=AREA, linewidth=0, label="true")
    seconds = np.array(run.control.frames) / rate
    axes.step(seconds, run.control.velocities, where="pre", color=ADAPTIVE_COLOUR, linewidth=1.1, label="estimated")
    for threshold in thresholds:
        dashed = axes.axhline(threshold, color=FAINT, linestyle=(0, (4, 2)), linewidth=1)
    dashed.set_label(f"thresholds {' and '.join(f'{threshold:g}' for threshold in thresholds)} m/s")
    axes.set_ylabel("velocity (m/s)")
    axes.set_ylim(bottom=0)
    legend_above(axes)


def _draw_stride(axes: Axes, run: ControlledRun, rate: float) -> None:
    """The stride from each decision on, and a tick for every key-frame."""
    end = len(run.estimate.clip.truth)
    strides = np.array(run.control.strides)
    axes.step(
        np.append(run.control.frames, end) / rate, np.append(strides, strides[-1]), where="post", color=ADAPTIVE_COLOUR
    )
    axes.set(ylabel="stride", ylim=(0, 1.25 * strides.max()), yticks=sorted(set(run.control.strides)))
    axes.plot(
        np.array(run.control.frames) / rate, np.zeros(len(strides)), "|", color=FAINT, markersize=7, clip_on=False
    )


def _draw_errors(axes: Axes, runs: dict[str, ControlledRun], rate: float) -> None:
    for (name, run), (colour, width) in reversed(list(zip(runs.items(), RUNS, strict=True))):
        errors = frame_errors(run.estimate)
        hertz = run.estimate.keyframes.mean() * rate
        label = f"{name}: {errors.mean():.0f} mm at {hertz:.1f} Hz"
        axes.plot(run.estimate.frames / rate, errors, color=colour, linewidth=width, label=label)
    axes.set_ylabel("MPJPE (mm)")
    axes.set_ylim(bottom=0)
    legend_above(axes)
