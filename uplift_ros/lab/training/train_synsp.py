"""Training of the SynSP refinement network on motion capture with synthetic noise, and on an uplifter's own output."""

import argparse

import torch

from uplift_ros.lab.training import paper_refinement, refinement_training
from uplift_ros.models.configs import SynSPConfig
from uplift_ros.models.synsp import SynSP, synsp_loss


def add_arguments(parser: argparse.ArgumentParser) -> None:
    refinement_training.add_arguments(parser)
    parser.add_argument(
        "--recipe", choices=("product", "paper"), default="product", help="data sampling and hyperparameters"
    )
    parser.add_argument("--epochs", type=int, help="of --recipe paper, otherwise its own")
    parser.add_argument("--views", action="store_true", help="of --recipe paper: the cameras of a moment together")
    parser.add_argument("--device", default="cpu", help="of the network, with --recipe paper: cpu, cuda or cuda:N")
    parser.add_argument(
        "--inverse-dct",
        action="store_true",
        help="heads predict frequencies; starts as a low-pass filter: far fewer steps",
    )


def main(args: argparse.Namespace) -> int:
    if args.recipe == "paper":
        return paper_refinement.main(args)
    if args.device != "cpu":
        raise ValueError(f"device must be cpu without --recipe paper, got {args.device}")
    torch.manual_seed(args.seed)
    changes = {} if args.dropout is None else {"dropout": args.dropout, "attention_dropout": args.dropout / 2}
    config = SynSPConfig(window=args.window, inverse_dct=args.inverse_dct)
    model = refinement_training.network(SynSP, config, args.start, **changes)
    return refinement_training.run(args, model, synsp_loss)
