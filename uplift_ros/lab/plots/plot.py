"""`uplift plot`: figures of the networks' attention, accuracy and training."""

import argparse
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from uplift_ros.files import atomic_write
from uplift_ros.lab.plots import adaptive_run, attention, latency, rate, sheet, training_curve, velocity
from uplift_ros.lab.plots.style import STYLE, caption

KINDS = {
    "attention": attention,
    "velocity": velocity,
    "adaptive": adaptive_run,
    "rate": rate,
    "sheet": sheet,
    "latency": latency,
    "training": training_curve,
}
"""Each with `add_arguments(parser)` and `picture(args)`, which returns a figure and its caption."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, module in KINDS.items():
        kind = kinds.add_parser(name, help=module.__doc__)
        module.add_arguments(kind)
        kind.add_argument("--out", type=Path, required=True, help="the picture: .png, .pdf or .svg")


def main(args: argparse.Namespace) -> int:
    formats = Figure().canvas.get_supported_filetypes()
    if args.out.suffix.lower().removeprefix(".") not in formats:  # reported before any computation
        raise ValueError(f"out must end in one of .{', .'.join(sorted(formats))}, got {args.out}")
    with matplotlib.rc_context(STYLE):
        figure, text = KINDS[args.kind].picture(args)
        caption(figure, text)
        with atomic_write(args.out) as beside:
            figure.savefig(beside)
    print(args.out)
    return 0
