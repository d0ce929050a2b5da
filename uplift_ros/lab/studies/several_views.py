"""Accuracy of several cameras together on motion capture.

Methods for one skeleton from cameras of known pose: one camera (`single`), the mean of all (`mean`), their mean
weighted by covariance (`fused`, as in the refiner node), and SynSP with all views as its input (`synsp_views`). The
first three are evaluated without refinement, and with SynSP on the result. With --in-turn the cameras have key-frames
in turn, as in multi_camera.launch.py.
"""

import argparse
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from uplift_ros import metrics
from uplift_ros.files import write_json
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.data.mocap import Sequence as Motion
from uplift_ros.lab.data.options import add_clip_arguments, add_data_arguments
from uplift_ros.lab.data.refiners import refine_sequence
from uplift_ros.lab.evaluation import scores
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.settings import output
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.view_fusion import ViewFusion, with_covariance
from uplift_ros.transforms import RigidTransform, moved


def common_frame(estimates: Sequence[protocols.Estimate]) -> list[RigidTransform]:
    """Transforms from the frame of each camera to that of the first one, computed from the truth."""
    first = estimates[0].truth[0].astype(float)
    transforms = []
    for estimate in estimates:
        seen = estimate.truth[0].astype(float)
        rotation = Rotation.align_vectors(first - first[0], seen - seen[0])[0].as_matrix()
        transforms.append(RigidTransform(rotation, first[0] - rotation @ seen[0]))
    return transforms


def in_common(estimates: Sequence[protocols.Estimate]) -> list[protocols.Estimate]:
    """Estimates cut to the frames that all of them have."""
    first, last = (limit(estimate.frames[end] for estimate in estimates) for limit, end in ((max, 0), (min, -1)))
    cut = []
    for estimate in estimates:
        kept = (estimate.frames >= first) & (estimate.frames <= last)
        poses, frames, keyframes = (values[kept] for values in (estimate.poses, estimate.frames, estimate.keyframes))
        skeletons = tuple(itertools.compress(estimate.skeletons, kept))
        cut.append(protocols.Estimate(estimate.clip, poses, frames, keyframes, skeletons=skeletons))
    return cut


def fused(estimates: Sequence[protocols.Estimate], transforms: Sequence[RigidTransform]) -> np.ndarray:
    """Fuse estimates by `ViewFusion`: (T, 17, 3) in the first camera's frame.

    Args:
        transforms: from `common_frame`.
    """
    fusion = ViewFusion()
    together = []
    for stamp, views in enumerate(zip(*(estimate.skeletons for estimate in estimates), strict=True)):
        frames = [
            moved(with_covariance(replace(view, stamp=stamp)), transform, "world")
            for view, transform in zip(views, transforms, strict=True)
        ]
        together.append(fusion.fuse(frames).persons[0].joints)
    return np.stack(together)


def refined(model: SynSP, views: np.ndarray) -> np.ndarray:
    """Mean (T, 17, 3) of SynSP's outputs for views (P, T, 17, 3) in one frame, which it reads together."""
    views = metrics.root_relative(views)
    return refine_sequence(model, views.reshape(*views.shape[:2], -1)).mean(0).reshape(views.shape[1:])


def poses_by_method(estimates: Sequence[protocols.Estimate], model: SynSP) -> dict[tuple[str, str], np.ndarray]:
    """Poses (T, 17, 3) in the first camera's frame, by method and refinement."""
    transforms = common_frame(estimates)
    views = np.stack(
        [
            metrics.root_relative(estimate.poses) @ transform.rotation.T
            for estimate, transform in zip(estimates, transforms, strict=True)
        ]
    )
    raw = {"single": views[0], "mean": views.mean(0), "fused": fused(estimates, transforms)}
    alone = {(method, "none"): poses for method, poses in raw.items()}
    smoothed = {(method, "synsp"): refined(model, poses[None]) for method, poses in raw.items()}
    return alone | smoothed | {("synsp_views", "synsp"): refined(model, views)}


def evaluate(
    sequences: Sequence[Motion],
    uplifter: UpliftUpsample,
    error_model: uncertainty.ErrorModel | None,
    model: SynSP,
    cameras: Sequence[int],
    stride: int,
    noise: str,
    seed: int,
    *,
    in_turn: bool = False,
) -> list[dict[str, object]]:
    """One row for each number of cameras and method: mpjpe in mm, accel in mm/frame^2.

    Args:
        sequences: motion at the rate of the networks.
        uplifter, model: the networks.
        error_model: of the uplifter, whose covariances weigh the cameras; without it they have constant ones.
        cameras: numbers of cameras to combine.
        stride: of key-frames.
        noise: as of `project_sequences`.
        seed: of cameras and noise.
        in_turn: the i-th of N cameras has the phase i / N.
    """
    config = uplifter.config
    errors: dict[tuple[int, str, str], list[tuple[float, float, int]]] = defaultdict(list)
    for index, sequence in enumerate(tqdm(sequences, "sequences", leave=False, disable=None)):
        clips = list(protocols.project_sequences([sequence], config.model_rate, max(cameras), noise, seed + index))
        control = protocols.fixed(config, stride)
        seen: dict[tuple[int, float], protocols.Estimate] = {}
        for count in cameras:
            views = [(index, index / count if in_turn else 0.0) for index in range(count)]
            for index, phase in set(views) - seen.keys():
                seen[index, phase] = protocols.online(
                    uplifter, clips[index], control, protocols.LATENCY_FRAMES, error_model, phase
                )
            estimates = in_common([seen[view] for view in views])
            truth = estimates[0].truth
            for (method, refinement), poses in poses_by_method(estimates, model).items():
                figures = metrics.mpjpe(poses, truth), metrics.accel(poses, truth), len(poses)
                errors[count, method, refinement].append(figures)
    rows = []
    for (count, method, refinement), results in errors.items():
        mpjpe, accel, frames = np.array(results).T
        rows.append(
            {"cameras": count, "way": method, "refine": refinement, "stride": stride, "noise": noise}
            | {"mpjpe": float(np.average(mpjpe, weights=frames)), "accel": float(np.average(accel, weights=frames))}
            | {"frames": int(frames.sum())}
        )
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_arguments(parser)
    add_clip_arguments(parser, cameras=None, noise="detector")
    parser.add_argument("--refiner-model", default="synsp", help="refinement weights")
    parser.add_argument("--cameras", type=int, nargs="+", default=[2, 3, 4], help="numbers of cameras to combine")
    parser.add_argument("--stride", type=int, default=10, help="frames between key-frames")
    parser.add_argument("--in-turn", action="store_true", help="key-frames of the cameras take turns")
    parser.add_argument("--every", type=int, default=1, help="take every N-th sequence")
    parser.add_argument("--frames", type=int, default=100_000, help="of each sequence, at most")
    parser.add_argument("--json", type=output, help="file for the rows")


def main(args: argparse.Namespace) -> int:
    for name, value in (("cameras", min(args.cameras)), ("every", args.every), ("frames", args.frames)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    model = weights.load(args.model, UpliftUpsample)
    motions = load_motion(args.data, model.config.model_rate, args.body_model, args.subjects)[:: args.every]
    rows = evaluate(
        [Motion(each.name, each.joints[: args.frames]) for each in motions],
        model,
        uncertainty.load(args.model),
        weights.load(args.refiner_model, SynSP),
        args.cameras,
        args.stride,
        args.noise,
        args.seed,
        in_turn=args.in_turn,
    )
    for row in rows:
        scores.show(row)
    if args.json:
        write_json(args.json, rows)
    return 0
