"""Run the whole graph for minutes or hours with random people and a fault every minute; all counts must add up.

python -m soak --minutes 60 --json out/soak.json
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.table import Table
from soak import report
from soak.run import Soak

from uplift_ros.files import write_json
from uplift_ros.nodes.graph.environment import node_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("out/soak.json"))
    args = parser.parse_args()
    os.environ.update(node_environment())
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    console = Console()
    soak = Soak(60 * args.minutes, np.random.default_rng(args.seed))
    try:
        soak.run(lambda line: console.print(line, highlight=False))
    finally:
        soak.close()
        rclpy.try_shutdown()
    found = report.findings(soak)
    write_json(args.json, report.as_json(soak, args.seed, found))
    table = Table("", "", "kept")
    for finding in found:
        table.add_row(finding.what, finding.figures, "yes" if finding.kept else "[red]no[/red]")
    console.print(table)
    return int(not all(finding.kept for finding in found))


if __name__ == "__main__":
    sys.exit(main())
