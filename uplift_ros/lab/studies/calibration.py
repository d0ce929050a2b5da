"""Calibration of scores and covariance: do scores rank errors, and does covariance match the measured errors?

With --fit the network's errors are measured, and the error model is written beside its weights. With --data scores and
covariance of the output, raw and refined, are checked. Sequences pass through a noisy detector and the streaming
classes at each of the network's strides. The pelvis, the origin of root-relative errors, is not counted.
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
from uplift_ros.settings import defaults_of
from uplift_ros.skeleton import H36M17
from uplift_ros.stages import build
from uplift_ros.stages.refinement import RefinementStage
from uplift_ros.streaming import uncertainty
from uplift_ros.streaming.uncertainty import ErrorModel
from uplift_ros.transforms import symmetric

LATENCY = defaults_of("uplift")["latency"]
"""Frames."""

STATURE_DEVIATION = 0.04
"""Deviation of adults' stature as part of its mean (Winter; ANSUR), which a single camera cannot observe."""

DETECTOR_ALONE = ErrorModel(np.tile([0.0, 0.0, 0.0, 0.0, 1.0], (17, 1)), 0.0, 0.0, 0.0, 0.0)
"""Error model that passes the detector's scores on."""

UNSEEN = 1.15
"""Factor of the errors of other people and detectors over those that are fitted. Without it the 90 % balls of the
shipped weights held 85 % of the joints in motion that was not fitted."""

BINS = 10
COVERAGE = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Judged:
    """Output for a clip, with the truth.

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


def joined(streams: Sequence[Judged]) -> Judged:
    """All frames of all streams, one after the other."""
    return Judged(*(np.concatenate([getattr(judged, field.name) for judged in streams]) for field in fields(Judged)))


def stream(
    model: UpliftUpsample, clips: Sequence[protocols.Clip], errors: ErrorModel, refinement: RefinementStage | None
) -> Iterator[tuple[Judged, Judged]]:
    """Every clip at every stride of the network: output of the uplifter, and of a refiner after it."""
    network, rate = build.UpliftNetwork(PlainUplift(model), errors), model.config.model_rate
    for clip in tqdm(clips, "clips", disable=None):
        for stride in model.config.input_strides:
            steps = protocols.stream(clip, network, protocols.fixed(model.config, stride), LATENCY, refinement)
            keyframes = protocols.keyframes_of(steps, rate)
            raw = [frame for step in steps for frame in step.raw]
            refined = [frame for step in steps for frame in step.refined]
            yield _judged(raw, clip, keyframes, rate), _judged(refined, clip, keyframes, rate)


def _judged(frames: list[SkeletonFrame], clip: protocols.Clip, keyframes: np.ndarray, rate: float) -> Judged:
    at = protocols.frames_of([frame.stamp for frame in frames], rate)
    people = [frame.persons[0] for frame in frames]
    return Judged(
        np.stack([person.joints for person in people]),
        clip.truth[at],
        np.stack([person.scores for person in people]),
        np.stack([person.covariance for person in people]),
        np.array([person.source for person in people]),
        np.abs(at[:, None] - keyframes).min(-1) / rate,
    )


def fit(streams: Sequence[Judged], rate: float) -> ErrorModel:
    """Fit the error model to output that was computed with DETECTOR_ALONE.

    1. Coefficients are least squares, left and right joints together; speed, the distance to the nearest key-frame and
       an uncertain detector can only increase the error.
    2. They are scaled, joint by joint, so that the balls of BALL_FACTOR times the expected error hold BALL_COVERAGE of
       the errors (split conformal prediction: Lei et al., JASA 2018).
    3. Deviations make the mean squared Mahalanobis distance of each direction 1.
    """
    features, judged = np.concatenate([_features(judged, rate) for judged in streams]), joined(streams)
    errors = judged.errors
    lower = np.array([-np.inf, -np.inf, 0.0, 0.0, 0.0])
    coefficients = np.zeros((17, 5))
    for joint, mirrored in enumerate(H36M17.flip[1:] - 1):
        known = np.concatenate([features[:, joint], features[:, mirrored]])
        found = np.concatenate([errors[:, joint], errors[:, mirrored]])
        linear = lsq_linear(known, found, (lower, np.inf)).x
        ratios = found / np.maximum(known @ linear, uncertainty.SMALLEST_ERROR)
        coefficients[1 + joint] = linear * np.quantile(ratios, uncertainty.BALL_COVERAGE) / uncertainty.BALL_FACTOR
    expected = np.maximum((features * coefficients[1:]).sum(-1), uncertainty.SMALLEST_ERROR)[..., None]
    sight = judged.poses[:, 0] / judged.distance
    along, across = _split(judged.differences / expected, sight[:, None])
    place_along, place_across = _split((judged.poses[:, 0] - judged.truth[:, 0]) / judged.distance, sight)
    return ErrorModel(coefficients, _deviation(across) / np.sqrt(2), _deviation(along),
                      _deviation(place_across) / np.sqrt(2), _deviation(place_along))  # fmt: skip


def for_others(errors: ErrorModel) -> ErrorModel:
    """Enlarge an error model by UNSEEN."""
    return replace(
        errors,
        coefficients=UNSEEN * errors.coefficients,
        place_across=UNSEEN * errors.place_across,
        place_along=UNSEEN * errors.place_along,
    )


def check(streams: Sequence[Judged]) -> dict[str, Any]:
    """Metrics of scores and covariance.

    Keys:
        spearman: rank correlation of 1 - score and error, over all joints and frames; within_joints: the mean of the
            joints' own; None if all are equal.
        by_source: mean score and mean error in metres of key-frames and of frames between them.
        reliability: tenths of all joints by score: mean score, the error in metres that it means, the measured error.
        mahalanobis: mean squared distance / 3, which is 1 if covariance is right, root-relative, of the pelvis's
            place, and of the joints as placed; coverage: share inside the ellipsoids that should hold the given part.
        balls: share of errors inside the balls that should hold 90 %, by joint and overall; mean radius in metres.
    """
    judged = joined(streams)
    errors, scores, sources, covariance = judged.errors, judged.scores[:, 1:], judged.sources, judged.covariance
    place = judged.poses - judged.truth
    squares = {
        "root_relative": _mahalanobis(judged.differences, covariance[:, 1:] - covariance[:, :1]),
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


def fit_tension(raw: Sequence[Judged], refined: Sequence[Judged]) -> list[float]:
    """Fit the error after refinement to the expected error before it and to the tension of SynSP's branches.

    The tension is recovered from scores before and after. Least squares, enlarged by UNSEEN as the error model is, to
    compare with 1 and TENSION.
    """
    before, after = (uncertainty.error_of(joined(streams).scores[:, 1:]).ravel() for streams in (raw, refined))
    tension = (after - before) / uncertainty.TENSION
    return np.linalg.lstsq(np.stack([before, tension], -1), UNSEEN * joined(refined).errors.ravel())[0].tolist()


def _features(judged: Judged, rate: float) -> np.ndarray:
    """(K, 16, 5)."""
    joints = root_relative(judged.poses)
    speeds = uncertainty.joint_speeds(joints, rate)
    return uncertainty.features(joints, speeds, judged.seconds, judged.scores)[:, 1:]


def _split(vectors: np.ndarray, sight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths along the line of sight and across it."""
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
    parser.add_argument("--model", default="compact", help="uplifting weights by name, or a .safetensors file")
    parser.add_argument("--refiner", default="synsp", help="SynSP's weights")
    parser.add_argument("--fit", type=Path, help="motion capture to measure errors on; not what the network trained on")
    parser.add_argument("--data", type=Path, help="motion capture to check scores and covariance on")
    parser.add_argument("--sequences", type=int, default=0, help="evenly chosen; 0 takes all")
    parser.add_argument("--seed", type=int, default=0, help="of cameras and noise")
    parser.add_argument("--json", type=Path, help="file for the metrics")


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
        raw = [judged for judged, _ in stream(model, clips, DETECTOR_ALONE, None)]
        for_others(fit(raw, rate)).save(
            uncertainty.path_of(args.model), {"data": args.fit.name, "seed": args.seed, "latency": LATENCY}
        )
    if args.data:
        errors = uncertainty.load(args.model)
        if errors is None:
            raise ValueError(f"model: the errors of {args.model} were not measured yet: give --fit")
        refinement = build.refinement(defaults_of("refiner", method="synsp"), PlainRefine(network))
        streams = list(stream(model, _clips(args, args.data, rate), errors, refinement))
        raw, refined = [judged for judged, _ in streams], [judged for _, judged in streams]
        figures = {"raw": check(raw), "refined": check(refined), "tension": fit_tension(raw, refined)}
        print(json.dumps(figures, indent=1))
        if args.json:
            write_json(args.json, figures)
    return 0


def _of_many_statures(clips: Sequence[protocols.Clip], seed: int) -> list[protocols.Clip]:
    """Vary the stature of people in clips and their distance with it, so that the images are unchanged."""
    statures = np.random.default_rng(seed).normal(1.0, STATURE_DEVIATION, len(clips))
    return [replace(clip, truth=clip.truth * stature) for clip, stature in zip(clips, statures, strict=True)]


def _clips(args: argparse.Namespace, data: Path, rate: float) -> list[protocols.Clip]:
    sequences = load_motion([data], rate)
    if args.sequences:
        chosen = np.linspace(0, len(sequences) - 1, min(args.sequences, len(sequences))).round().astype(int)
        sequences = [sequences[index] for index in chosen]
    return list(protocols.project_sequences(sequences, rate, 1, "detector", args.seed))
