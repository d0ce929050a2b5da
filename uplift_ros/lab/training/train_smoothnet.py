"""Training of SmoothNet, the refinement network's baseline, on the same windows as SynSP."""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor

from uplift_ros.lab.smoothnet import SmoothNet, SmoothNetConfig
from uplift_ros.lab.training import refinement_training

add_arguments = refinement_training.add_arguments


def main(args: argparse.Namespace) -> int:
    torch.manual_seed(args.seed)
    changes = {} if args.dropout is None else {"dropout": args.dropout}
    model = refinement_training.network(SmoothNet, SmoothNetConfig(window=args.window), args.start, **changes)
    return refinement_training.run(args, model, smoothnet_loss)


def smoothnet_loss(predicted: Tensor, true: Tensor, acceleration_weight: float = 1.0) -> Tensor:
    """L1 of positions and, times its weight, of second differences; (B, T, C)."""
    acceleration = F.l1_loss(predicted.diff(n=2, dim=1), true.diff(n=2, dim=1))
    return F.l1_loss(predicted, true) + acceleration_weight * acceleration
