"""`uplift train`: train one of the networks on motion capture, or resume an earlier run in --out."""

import argparse

from uplift_ros.lab.training import train_refiner, train_uplift

NETWORKS = {
    "uplift": ("the uplifting network", train_uplift.add_arguments, train_uplift.main),
    "synsp": ("the refinement network SynSP", train_refiner.add_synsp_arguments, train_refiner.train_synsp),
    "smoothnet": ("SmoothNet, a baseline of it", train_refiner.add_arguments, train_refiner.train_smoothnet),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    networks = parser.add_subparsers(dest="network", required=True)
    for name, (summary, add_network_arguments, _) in NETWORKS.items():
        add_network_arguments(networks.add_parser(name, help=summary))


def main(args: argparse.Namespace) -> int:
    _, _, train = NETWORKS[args.network]
    return train(args)
