"""`uplift train`: train one of the networks on motion capture; resumes an earlier run in --out."""

import argparse

from uplift_ros.lab.training import train_smoothnet, train_synsp, train_uplift

NETWORKS = {"uplift": train_uplift, "synsp": train_synsp, "smoothnet": train_smoothnet}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    networks = parser.add_subparsers(dest="network", required=True)
    for name, module in NETWORKS.items():
        module.add_arguments(networks.add_parser(name, help=module.__doc__))


def main(args: argparse.Namespace) -> int:
    return NETWORKS[args.network].main(args)
