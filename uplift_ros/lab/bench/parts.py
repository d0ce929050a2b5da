"""`uplift bench`: how fast the parts are on this machine. Compare rows of one run; machines differ and are noisy."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from uplift_ros.files import write_json
from uplift_ros.lab.bench import networks, recordings, streams
from uplift_ros.lab.bench.measurements import Row
from uplift_ros.models import runtime


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """All measurements, each about `seconds` long."""
    yield from networks.rows(args.seconds, args.device, args.threads)
    if not args.networks:
        yield from streams.rows(args.seconds)
        yield from recordings.rows(args.seconds)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--device", default="cpu", help="of the networks: cpu, cuda, tensorrt or openvino")
    parser.add_argument("--threads", type=int, default=1, help="of the networks on the CPU")
    parser.add_argument("--networks", action="store_true", help="measure nothing else")
    parser.add_argument("--table4", action="store_true", help="the two networks of the paper alone, as its Table 4")
    parser.add_argument("--json", type=Path, help="file for the rows")


def main(args: argparse.Namespace, more: Iterable[Row] = ()) -> int:
    """Measure all parts; print and write their rows, followed by `more`."""
    runtime.provider_options(args.device, "float32")
    table = Table("name", "device", "precision", "batch", "ms p50", "ms p99", "per second", "MFLOP", "ratio")
    measured = []
    for row in chain(rows(args), more):
        measured.append(row)
        ratio = f"{row.ratio:.2f} x {row.ratio_to}" if row.ratio_to else ""
        mflop = f"{row.flops / 1e6:.0f}" if row.flops else ""
        table.add_row(
            row.name,
            row.device,
            row.precision,
            str(row.batch),
            f"{row.ms_p50:.2f}",
            f"{row.ms_p99:.2f}",
            f"{row.per_second:.0f}",
            mflop,
            ratio,
        )
    Console().print(table)
    if args.json:
        write_json(args.json, [asdict(row) for row in measured])
    return 0
