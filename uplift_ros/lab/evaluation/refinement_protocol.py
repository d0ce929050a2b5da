"""`uplift evaluate` on the outputs of estimators in SmoothNet's release: refinement as SynSP's paper evaluates it.

The outputs of a network for all windows of a sequence are averaged (SWAA). Networks of the paper's recipe read poses
as stored; other networks and filters read root-relative ones. Metrics are means over all frames of all sequences and
views.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.formats.amass import BodyModel
from uplift_ros.lab.data.formats.smoothnet_data import (
    FIT_RELEASE,
    RefinementSequence,
    RefinementSet,
    from_6d,
    load_release,
)
from uplift_ros.lab.data.mocap import FRAME_RATE_HZ
from uplift_ros.lab.data.refiners import GAUSSIAN_SIGMA_FRAMES, refine_sequence
from uplift_ros.lab.evaluation.scores import Row
from uplift_ros.metrics import MILLIMETRES, procrustes
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.poses import NANOSECONDS
from uplift_ros.streaming.filters import OneEuro

SAVGOL_FRAMES, SAVGOL_DEGREE = 31, 2
"""From the comparison in SynSP's code, over whole sequences; so are the one-euro filter's defaults."""

PCK_PARTS = (0.05, 0.1, 0.2)
"""Maximum distances of a found joint, as parts of the longer side of the person's box (JHMDB)."""

WORST = 0.01
"""Share of frames, those with the largest errors of the input, whose errors are reported separately."""

HIPS_OF_14 = (2, 3)

H36M17_TO_14 = (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10)
"""The 14 joints of SMPL's evaluation among h36m17."""


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """One row for each data set, method, network and branch.

    Raises:
        ValueError: options, files or networks that do not fit.
    """
    for folder in args.data:
        data = load_release(folder, "test", several_views=args.views)
        body = BodyModel(args.body_model) if args.body_model and data.representation == "smpl" else None
        inputs = [measure(data, sequence, sequence.estimated, body) for sequence in data.sequences]
        for labels, refine in _methods(args, data):
            figures = [measure(data, sequence, refine(sequence.estimated), body) for sequence in data.sequences]
            yield {"data": folder.name} | labels | summary(figures, inputs)


def _methods(args: argparse.Namespace, data: RefinementSet) -> Iterator[tuple[Row, Callable[[np.ndarray], np.ndarray]]]:
    """Keys of a row and a function that refines estimates (P, T, C), for each method, network and branch."""
    for method in args.refine:
        if method != "synsp":
            labels = {"refine": method, "refiner_model": None, "branch": None}
            yield labels, partial(_filtered, data, method)
            continue
        for name in args.refiner_model:
            model, as_stored = _network(data, name)
            for branch in args.branch:
                labels = {"refine": method, "refiner_model": name, "branch": branch}
                yield labels, partial(_refined, data, model, as_stored, branch)


def _refined(data: RefinementSet, model: SynSP, as_stored: bool, branch: str, values: np.ndarray) -> np.ndarray:
    return refine_sequence(model, values if as_stored else _centred(data, values), branch)


def _filtered(data: RefinementSet, method: str, values: np.ndarray) -> np.ndarray:
    """Values (P, T, C) of one sequence after a method without a network."""
    if method == "none":
        return values
    values = _centred(data, values)
    if method == "gaussian":
        return gaussian_filter1d(values, GAUSSIAN_SIGMA_FRAMES, axis=1)
    if method == "savgol":
        length = min(SAVGOL_FRAMES, values.shape[1] - (values.shape[1] + 1) % 2)
        return savgol_filter(values, length, min(SAVGOL_DEGREE, length - 1), axis=1)
    if method == "one_euro":
        smoother, frames = OneEuro(), values.swapaxes(0, 1)
        stamps = [round(index * NANOSECONDS / FRAME_RATE_HZ) for index in range(len(frames))]
        return np.stack([smoother.push(*pair)[0] for pair in zip(frames, stamps, strict=True)], 1)
    raise ValueError(f"refine: {method} is not evaluated on {data.dataset}_{data.representation}")


def _centred(data: RefinementSet, values: np.ndarray) -> np.ndarray:
    """Poses relative to their root; 2D poses and rotations unchanged."""
    if data.representation != "3D":
        return values
    joints = values.reshape(*values.shape[:2], data.joints, 3)
    return (joints - root(joints)).reshape(values.shape)


def _network(data: RefinementSet, name: str) -> tuple[SynSP, bool]:
    """A network that fits the data, and whether it reads poses as stored."""
    model, (_, _, provenance) = weights.load(name, SynSP), weights.read_header(name)
    if (model.config.joints, model.config.coordinates) != (data.joints, data.coordinates):
        config = model.config
        raise ValueError(
            f"refiner-model must be for {data.joints} joints of {data.coordinates} values, got {name!r} for "
            f"{config.joints} of {config.coordinates}; train one with `uplift train synsp --recipe paper`"
        )
    return model, provenance.get("recipe") == "paper"


def measure(
    data: RefinementSet, sequence: RefinementSequence, values: np.ndarray, body: BodyModel | None
) -> dict[str, np.ndarray]:
    """Errors of each frame of one sequence, (P T,), in mm, pixels or degrees; PCK is one share for the sequence.

    Args:
        data: the set of the sequence.
        sequence: with the truth.
        values: (P, T, C) to evaluate.
        body: of SMPL, for joints from rotations; None measures rotations alone.
    """
    figures: dict[str, np.ndarray] = {}
    if data.representation == "smpl":
        vectors, truth = (from_6d(part.reshape(*part.shape[:2], data.joints, 6)) for part in (values, sequence.true))
        turns = Rotation.from_rotvec(vectors.reshape(-1, 3)).inv() * Rotation.from_rotvec(truth.reshape(-1, 3))
        figures["rotation_deg"] = np.degrees(turns.magnitude()).reshape(-1, data.joints).mean(-1)
        if body is None or sequence.shapes is None:
            return figures
        poses, target = (
            _joints(body, part, betas) for part, betas in zip((vectors, truth), sequence.shapes, strict=True)
        )
        scale = MILLIMETRES
    else:
        shape = (*values.shape[:2], data.joints, data.coordinates)
        poses, target = values.reshape(shape), sequence.true.reshape(shape)
        if data.representation == "2D":
            poses, target, scale = poses * sequence.pixels, target * sequence.pixels, 1.0
        else:
            scale = MILLIMETRES
    if data.representation != "2D":
        poses, target = poses - root(poses), target - root(target)
    difference = poses - target
    distance = scale * np.linalg.norm(difference, axis=-1)  # (P, T, J)
    figures["mpjpe"] = distance.mean(-1).ravel()
    figures["pa_mpjpe"] = scale * np.linalg.norm(procrustes(poses, target) - target, axis=-1).mean(-1).ravel()
    second = scale * np.linalg.norm(np.diff(difference, 2, axis=1), axis=-1).mean(-1)
    figures["accel"] = second.ravel()
    figures["accel_padded"] = np.pad(second, ((0, 0), (1, 1))).ravel()[: distance[..., 0].size]
    if sequence.boxes is not None:
        for part in PCK_PARTS:
            found = distance <= part * sequence.boxes[:, None]
            figures[f"pck_{part:g}"] = np.array([found.mean()])  # their mean is over sequences
    return figures


def root(joints: np.ndarray) -> np.ndarray:
    """(..., 1, D): the pelvis of 17 joints, the middle of the hips of 14."""
    return joints[..., list(HIPS_OF_14), :].mean(-2, keepdims=True) if joints.shape[-2] == 14 else joints[..., :1, :]


def _joints(body: BodyModel, vectors: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """(P, T, 14, 3) metres of SMPL's body."""
    if len(body.parents) != vectors.shape[2]:
        raise ValueError(
            f"body-model: must have {vectors.shape[2]} joints (SMPL), got {len(body.parents)}; {FIT_RELEASE}"
        )
    views = [
        body.h36m17(poses.reshape(len(poses), -1), shape.mean(0), np.zeros((len(poses), 3)))
        for poses, shape in zip(vectors, betas, strict=True)
    ]
    return np.stack(views)[:, :, list(H36M17_TO_14)]


def summary(figures: list[dict[str, np.ndarray]], inputs: list[dict[str, np.ndarray]]) -> Row:
    """Means over all frames, and over those with the largest MPJPE of the input.

    Args:
        figures, inputs: of each sequence, as `measure` returns them, of the output and of the input.
    """
    joined = {name: np.concatenate([part[name] for part in figures]) for name in figures[0]}
    row: Row = {name: float(values.mean()) for name, values in joined.items() if len(values)}
    row["frames"] = len(next(iter(joined.values())))
    if "mpjpe" in joined:
        before = np.concatenate([part["mpjpe"] for part in inputs])
        worst = np.argsort(before)[int(len(before) * (1 - WORST)) :]
        row["mpjpe_worst"] = float(joined["mpjpe"][worst].mean())
        row["accel_worst"] = float(joined["accel_padded"][worst].mean())
    return row
