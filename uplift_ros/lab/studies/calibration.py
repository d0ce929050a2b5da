"""Calibration of scores and covariance: do scores rank errors, and does covariance match the measured errors?

With --fit the errors of the network are measured, and its error model is written beside the weights. With --data
scores and covariance of the output, raw and refined, are checked. A noisy detector sees the sequences, and the pipeline
runs at each stride of the network. The pelvis, the origin of root-relative errors, is not counted.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear
from scipy.stats import chi2, spearmanr
from tqdm import tqdm

from uplift_ros.files import write_json
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.plain import PlainRefine, PlainUplift
from uplift_ros.metrics import root_relative
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.poses import SkeletonFrame, Source
from uplift_ros.settings import defaults_of, output
from uplift_ros.skeleton import H36M17
from uplift_ros.stages import build
from uplift_ros.stages.refinement import RefinementStage
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.uncertainty import ErrorModel
from uplift_ros.transforms import symmetric

STATURE_DEVIATION = 0.04
"""Deviation of adults' stature as part of its mean (Winter; ANSUR), which a single camera cannot observe."""

DETECTOR_ALONE = ErrorModel(np.tile([0.0, 0.0, 0.0, 0.0, 1.0], (17, 1)), 0.0, 0.0, 0.0, 0.0)
"""Error model that returns the scores of the detector."""

UNSEEN = 1.15
"""Ratio of errors of other people and detectors to those of the fit. Without this factor, the 90 % balls of the shipped
weights held 85 % of the joints in motion outside the fit."""

BINS = 10
COVERAGE = (0.5, 0.9, 0.99)
"""Number of groups by score; parts of the distribution that ellipsoids should hold."""


@dataclass(frozen=True)
class Rated:
    """Output for a clip, with the truth that rates it.

    Attributes:
        poses, truth: (K, 17, 3) metres, camera optical frame, placed.
        scores: (K, 17).
        covariance: (K, 17, 6).
        sources: (K,).
        seconds: (K,) to the nearest key-frame.
    """

    poses: np.ndarray
    truth: np.ndarray
    scores: np.ndarray
    covariance: np.ndarray
    sources: np.ndarray
    seconds: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        """(K, 16, 3) metres, root-relative, without the pelvis."""
        return (root_relative(self.poses) - root_relative(self.truth))[:, 1:]

    @property
    def errors(self) -> np.ndarray:
        """(K, 16) metres."""
        return np.linalg.norm(self.differences, axis=-1)

    @property
    def distance(self) -> np.ndarray:
        """(K, 1) metres to the pelvis as placed."""
        return np.linalg.norm(self.poses[:, 0], axis=-1, keepdims=True)


def joined(streams: Sequence[Rated]) -> Rated:
    """Concatenate the frames of all streams."""
    return Rated(*(np.concatenate([getattr(rated, field.name) for rated in streams]) for field in fields(Rated)))


def rated_streams(
    model: UpliftUpsample, clips: Sequence[protocols.Clip], errors: ErrorModel, refinement: RefinementStage | None
) -> Iterator[tuple[Rated, Rated]]:
    """Output of the uplifter, and of a refiner after it, for every clip at every stride of the network.

    Args:
        model: the network.
        clips: input.
        errors: error model of the network.
        refinement: None passes the output of the uplifter on unchanged.
    """
    network, rate = build.UpliftNetwork(PlainUplift(model), errors), model.config.model_rate
    for clip in tqdm(clips, "clips", disable=None):
        for stride in model.config.input_strides:
            control = protocols.fixed(model.config, stride)
            steps = protocols.stream(clip, network, control, protocols.LATENCY_FRAMES, refinement)
            keyframes = protocols.keyframes_of(steps, rate)
            raw = [frame for step in steps for frame in step.raw]
            refined = [frame for step in steps for frame in step.refined]
            yield _rated(raw, clip, keyframes, rate), _rated(refined, clip, keyframes, rate)


def _rated(frames: list[SkeletonFrame], clip: protocols.Clip, keyframes: np.ndarray, rate: float) -> Rated:
    at = protocols.frames_of([frame.stamp for frame in frames], rate)
    people = [frame.persons[0] for frame in frames]
    return Rated(
        np.stack([person.joints for person in people]),
        clip.truth[at],
        np.stack([person.scores for person in people]),
        np.stack([person.covariance for person in people]),
        np.array([person.source for person in people]),
        np.abs(at[:, None] - keyframes).min(-1) / rate,
    )


def fit(streams: Sequence[Rated], rate: float) -> ErrorModel:
    """Fit the error model to output that was computed with DETECTOR_ALONE.

    1. Coefficients are the least-squares solution, for left and right joints together; speed, distance to the nearest
       key-frame and uncertainty of the detector can only increase the error.
    2. They are scaled, joint by joint, so that balls with a radius of BALL_FACTOR times the expected error hold
       BALL_COVERAGE of the errors (split conformal prediction: Lei et al., JASA 2018).
    3. Deviations are set so that the mean squared Mahalanobis distance in each direction is 1.

    Args:
        streams: output with the truth.
        rate: frames per second.
    """
    features, rated = np.concatenate([_features(rated, rate) for rated in streams]), joined(streams)
    errors = rated.errors
    lower = np.array([-np.inf, -np.inf, 0.0, 0.0, 0.0])
    coefficients = np.zeros((17, 5))
    for joint, mirrored in enumerate(H36M17.flip[1:] - 1):
        known = np.concatenate([features[:, joint], features[:, mirrored]])
        found = np.concatenate([errors[:, joint], errors[:, mirrored]])
        linear = lsq_linear(known, found, (lower, np.inf)).x
        ratios = found / np.maximum(known @ linear, uncertainty.SMALLEST_ERROR)
        coefficients[1 + joint] = linear * np.quantile(ratios, uncertainty.BALL_COVERAGE) / uncertainty.BALL_FACTOR
    expected = np.maximum((features * coefficients[1:]).sum(-1), uncertainty.SMALLEST_ERROR)[..., None]
    sight = rated.poses[:, 0] / rated.distance
    along, across = _split(rated.differences / expected, sight[:, None])
    place_along, place_across = _split((rated.poses[:, 0] - rated.truth[:, 0]) / rated.distance, sight)
    return ErrorModel(coefficients, _deviation(across) / np.sqrt(2), _deviation(along),
                      _deviation(place_across) / np.sqrt(2), _deviation(place_along))  # fmt: skip


def for_others(errors: ErrorModel) -> ErrorModel:
    """Enlarge an error model by UNSEEN, for people and detectors outside the fit."""
    return replace(
        errors,
        coefficients=UNSEEN * errors.coefficients,
        place_across=UNSEEN * errors.place_across,
        place_along=UNSEEN * errors.place_along,
    )


def check(streams: Sequence[Rated]) -> dict[str, Any]:
    """Metrics of scores and covariance.

    Keys:
        joints, mean_error: number of joints; their mean error in metres.
        spearman: rank correlation of 1 - score and error over all joints and frames; within_joints: mean of those of
            single joints; None if all values are equal.
        by_source: mean score and mean error in metres of key-frames and of frames between them.
        reliability: for each tenth of all joints by score the mean score, the error in metres that it stands for, and
            the measured error.
        mahalanobis: mean squared distance / 3, which is 1 if the covariance is right: root-relative, of the pelvis as
            placed, and of all joints as placed; coverage: share inside the ellipsoids that should hold the given part.
        balls: share of errors inside the balls that should hold 90 %, by joint and overall; mean radius in metres.
    """
    rated = joined(streams)
    errors, scores, sources, covariance = rated.errors, rated.scores[:, 1:], rated.sources, rated.covariance
    place = rated.poses - rated.truth
    squares = {
        "root_relative": _mahalanobis(rated.differences, covariance[:, 1:] - covariance[:, :1]),
        "pelvis": _mahalanobis(place[:, 0], covariance[:, 0]),
        "placed": _mahalanobis(place, covariance),
    }
    radii = uncertainty.ball_radius(scores)
    inside = (errors <= radii).mean(0)
    order = np.array_split(np.argsort(scores.ravel()), BINS)
    of_joints = [_rank_correlation(1 - s, e) for s, e in zip(scores.T, errors.T, strict=True)]
    within = [correlation for correlation in of_joints if correlation is not None]
    return {
        "joints": errors.size,
        "mean_error": float(errors.mean()),
        "spearman": _rank_correlation(1 - scores, errors),
        "within_joints": float(np.mean(within)) if within else None,
        "by_source": {
            Source(source).name: [float(scores[sources == source].mean()), float(errors[sources == source].mean())]
            for source in np.unique(sources)
        },
        "reliability": [
            {
                "score": float(scores.ravel()[part].mean()),
                "expected": float(uncertainty.error_of(scores.ravel()[part]).mean()),
                "found": float(errors.ravel()[part].mean()),
            }
            for part in order
        ],
        "mahalanobis": {name: float(values.mean() / 3) for name, values in squares.items()},
        "coverage": {
            name: {str(part): float((values <= chi2.ppf(part, 3)).mean()) for part in COVERAGE}
            for name, values in squares.items()
        },
        "balls": {
            "coverage": float(inside.mean()),
            "radius": float(radii.mean()),
            "by_joint": dict(zip(H36M17.joints[1:], inside.tolist(), strict=True)),
        },
    }


def fit_tension(raw: Sequence[Rated], refined: Sequence[Rated]) -> list[float]:
    """Fit the error after refinement to the expected error before it and to the tension of SynSP's branches.

    The tension is recovered from the scores before and after refinement. Both least-squares coefficients are enlarged
    by UNSEEN, as the error model is, and should be 1 and TENSION.
    """
    before, after = (uncertainty.error_of(joined(streams).scores[:, 1:]).ravel() for streams in (raw, refined))
    tension = (after - before) / uncertainty.TENSION
    return np.linalg.lstsq(np.stack([before, tension], -1), UNSEEN * joined(refined).errors.ravel())[0].tolist()


def _features(rated: Rated, rate: float) -> np.ndarray:
    """(K, 16, 5) features of the error model, without the pelvis."""
    joints = root_relative(rated.poses)
    speeds = uncertainty.joint_speeds(joints, rate)
    return uncertainty.features(joints, speeds, rated.seconds, rated.scores)[:, 1:]


def _split(vectors: np.ndarray, sight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Components of vectors (..., 3) along unit vectors of sight, and lengths of the components across."""
    along = (vectors * sight).sum(-1)
    return along, np.sqrt(np.maximum((vectors**2).sum(-1) - along**2, 0))


def _deviation(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def _mahalanobis(differences: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Squared distances (...) of (..., 3) under covariances (..., 6)."""
    return (differences * np.linalg.solve(symmetric(covariance), differences[..., None])[..., 0]).sum(-1)


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's rank correlation, None if one of them is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="compact", help="shipped weights by name, or a .safetensors file")
    parser.add_argument("--refiner", default="synsp", help="SynSP's weights")
    parser.add_argument("--fit", type=Path, help="motion capture to measure errors on, not used in training")
    parser.add_argument("--data", type=Path, help="motion capture to check scores and covariance on")
    parser.add_argument("--sequences", type=int, default=0, help="number of evenly chosen sequences; 0 takes all")
    parser.add_argument("--seed", type=int, default=0, help="of cameras and noise")
    parser.add_argument("--json", type=output, help="file for the metrics")


def main(args: argparse.Namespace) -> int:
    if not args.fit and not args.data:
        raise ValueError("motion capture is missing: give --fit, --data or both")
    if args.sequences < 0:
        raise ValueError(f"sequences must be at least 0, got {args.sequences}")
    model = weights.load(args.model, UpliftUpsample)
    rate = model.config.model_rate
    network = weights.load(args.refiner, SynSP)
    if args.fit:
        clips = _of_many_statures(_clips(args, args.fit, rate), args.seed)
        raw = [rated for rated, _ in rated_streams(model, clips, DETECTOR_ALONE, None)]
        provenance = {"data": args.fit.name, "seed": args.seed, "latency": protocols.LATENCY_FRAMES}
        for_others(fit(raw, rate)).save(uncertainty.path_of(args.model), provenance)
    if args.data:
        errors = uncertainty.load(args.model)
        if errors is None:
            raise ValueError(f"model must have measured errors, got {args.model!r} without: give --fit")
        refinement = build.refinement(defaults_of("refiner", method="synsp"), PlainRefine(network))
        streams = list(rated_streams(model, _clips(args, args.data, rate), errors, refinement))
        raw, refined = [rated for rated, _ in streams], [rated for _, rated in streams]
        figures = {"raw": check(raw), "refined": check(refined), "tension": fit_tension(raw, refined)}
        print(json.dumps(figures, indent=1))
        if args.json:
            write_json(args.json, figures)
    return 0


def _of_many_statures(clips: Sequence[protocols.Clip], seed: int) -> list[protocols.Clip]:
    """Scale people in clips and their distance by random statures, so that the images are unchanged."""
    statures = np.random.default_rng(seed).normal(1.0, STATURE_DEVIATION, len(clips))
    return [replace(clip, truth=clip.truth * stature) for clip, stature in zip(clips, statures, strict=True)]


def _clips(args: argparse.Namespace, data: Path, rate: float) -> list[protocols.Clip]:
    """Clips of the chosen sequences in a file, seen by one camera each."""
    sequences = load_motion([data], rate)
    if args.sequences:
        chosen = np.linspace(0, len(sequences) - 1, min(args.sequences, len(sequences))).round().astype(int)
        sequences = [sequences[index] for index in chosen]
    return list(protocols.project_sequences(sequences, rate, 1, "detector", args.seed))
