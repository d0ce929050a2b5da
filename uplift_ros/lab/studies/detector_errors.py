"""2D errors of BlazePose, from which the parameters of `DetectorNoise` were chosen.

On the synthetic camera the true joints are known: every error is split into a constant offset, slow drift and white
jitter by its structure function; gross errors are counted separately. The detected slopes of hips and shoulders require
more poses, which are drawn from motion capture. Real clips have no truth: jitter is measured from second differences,
and joints, sides and people that are lost for one image are counted. Lengths are in percent of the torso length
(`detector_noise.unit_length`).
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit
from tqdm import tqdm

from uplift_ros import estimators
from uplift_ros.camera import Camera
from uplift_ros.estimators import PoseEstimator, blazepose_files
from uplift_ros.lab.data import augmentation, mocap
from uplift_ros.lab.data.detector_noise import HIPS, SHOULDERS, unit_length
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.settings import at_least, defaults_of
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.motion import PERIOD, pose
from uplift_ros.sources.synthetic.room import Room
from uplift_ros.sources.synthetic.viewpoint import Viewpoint
from uplift_ros.sources.video import VideoFile

SYNTHETIC_FPS = 25.0
SYNTHETIC_CAMERA = Camera.from_fov(0.96, 640, 480)

VIEWPOINTS = ((-60, 0.5, 3.0), (-25, 1.6, 4.5), (0, 1.2, 3.2), (30, 2.3, 3.8), (65, 0.9, 6.0))
"""Azimuth in degrees, height and distance in metres of the cameras around the synthetic person."""

GROSS = 0.5
"""Torso lengths from the truth, or from both neighbours' mean, beyond which a joint is lost."""

APART = 0.3
"""Minimum distance between a left and a right joint, in torso lengths, to detect that they are swapped."""

POSED_SLOPE_DEG, POSED_DISTANCE_M = (-10.0, 40.0), (2.8, 4.0)
"""Downward slopes and lengths of the lines from a camera to people in poses of motion capture."""

LINES = {"hips": HIPS, "shoulders": SHOULDERS}
"""Right and left joint."""

LIMB_ENDS = {"arms": (12, 13, 15, 16), "legs": (2, 3, 5, 6)}


def synthetic_takes(estimator: PoseEstimator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Estimated (NaN if no person was found) and true joints, (T, 17, 2) pixels, from each viewpoint."""
    for azimuth, height, distance in VIEWPOINTS:
        angle = math.radians(azimuth)
        position = np.array([distance * math.cos(angle), distance * math.sin(angle), height])
        viewpoint = Viewpoint.looking(SYNTHETIC_CAMERA, position, angle + math.pi, math.atan2(height - 0.9, distance))
        room = Room(SYNTHETIC_CAMERA.width, SYNTHETIC_CAMERA.height)
        poses = [pose(index / SYNTHETIC_FPS) for index in range(round(PERIOD * SYNTHETIC_FPS))]
        found = [_first(estimator, room.render(joints, viewpoint)) for joints in tqdm(poses, f"{azimuth:+d} deg")]
        yield np.stack(found), SYNTHETIC_CAMERA.project(viewpoint.to_optical(np.stack(poses)))


def posed_people(
    estimator: PoseEstimator, sequences: Sequence[mocap.Sequence], images: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Estimated and true joints, (images, 17, 2) pixels, of people in random poses of motion capture, from any side."""
    room = Room(SYNTHETIC_CAMERA.width, SYNTHETIC_CAMERA.height)
    joints = np.concatenate([sequence.joints for sequence in sequences])
    poses = augmentation.random_body(rng, joints[rng.integers(len(joints), size=images)][:, None])
    poses = augmentation.swung(rng, np.repeat(poses, 2, 1))[:, 0]
    poses[..., :2] -= poses[:, :1, :2]
    poses[..., 2] -= poses[..., 2].min(1, keepdims=True)
    azimuth, slope = rng.uniform(0, 2 * np.pi, images), np.radians(rng.uniform(*POSED_SLOPE_DEG, images))
    away = rng.uniform(*POSED_DISTANCE_M, (images, 1)) * np.stack(
        [np.cos(azimuth) * np.cos(slope), np.sin(azimuth) * np.cos(slope), np.sin(slope)], -1
    )
    found, true = [], []
    for person, offset, yaw, pitch in zip(tqdm(poses, "poses"), away, azimuth + np.pi, slope, strict=True):
        viewpoint = Viewpoint.looking(SYNTHETIC_CAMERA, person[0] + offset, yaw, pitch)
        found.append(_first(estimator, room.render(person, viewpoint)))
        true.append(SYNTHETIC_CAMERA.project(viewpoint.to_optical(person)))
    return np.stack(found), np.stack(true)


def remaining_slope(estimated: np.ndarray, true: np.ndarray, right: int, left: int) -> tuple[float, float]:
    """Estimated slope of a line against the trunk relative to the true slope, and the correlation of both.

    People whose trunk is seen end-on, and those who were not found, do not count.

    Args:
        estimated, true: (N, 17, 2).
        right, left: joints at the ends of the line.
    """
    length = np.linalg.norm(true[:, 8] - true[:, 0], axis=-1)
    usable = (length > 0.6 * np.median(length)) & np.isfinite(estimated[:, 0, 0])
    usable &= np.linalg.norm(estimated - true, axis=-1).mean(1) < GROSS * length
    across = [points[usable, left] - points[usable, right] for points in (true, estimated)]
    up = (true[:, 8] - true[:, 0])[usable]
    slopes, seen = (((line * up).sum(-1) / (up**2).sum(-1)) for line in across)
    return float(np.polyfit(slopes, seen, 1)[0]), float(np.corrcoef(slopes, seen)[0, 1])


def video_take(estimator: PoseEstimator, video: VideoFile, name: str) -> tuple[np.ndarray, float]:
    """Estimated joints (T, 17, 2) pixels, NaN if no person was found, and frames per second of a clip."""
    found = [_first(estimator, frame.image) for frame in tqdm(video.frames(), name, total=video.length)]
    video.close()
    return np.stack(found), video.fps


def _first(estimator: PoseEstimator, image: np.ndarray) -> np.ndarray:
    """Joints (17, 2) of the first person; NaN if there is no person."""
    people = estimator.estimate(image)
    return people[0].keypoints if people else np.full((len(H36M17), 2), np.nan)


def swapped_sides(points: np.ndarray, reference: np.ndarray, unit: np.ndarray, ends: tuple[int, ...]) -> np.ndarray:
    """(T,) float: 1 if joints lie nearer to the other side of the reference, NaN if both sides are close together.

    Args:
        points, reference: (T, 17, 2).
        unit: (T,) torso lengths.
        ends: joints to compare.
    """
    same = np.linalg.norm(points - reference, axis=-1)[:, ends].mean(1)
    other = np.linalg.norm(points[:, H36M17.flip] - reference, axis=-1)[:, ends].mean(1)
    apart = np.linalg.norm(reference - reference[:, H36M17.flip], axis=-1)[:, ends].mean(1)
    return np.where(apart > APART * unit, other < same, np.nan)


def split_errors(errors: np.ndarray) -> tuple[float, float, float, float]:
    """Split errors by their structure function, D(lag) = jitter^2 + drift^2 (1 - exp(-lag / seconds)).

    Args:
        errors: (S, T, K, 2) of K joints in S takes at SYNTHETIC_FPS, NaN if unknown.

    Returns:
        Per axis: root mean square of the takes' means, sd of drift, time constant in seconds, sd of white jitter.
    """
    offset = np.sqrt(np.nanmean(np.nanmean(errors, axis=1) ** 2))
    lags = np.array([1, 2, 3, 4, 6, 8, 12, 16, 25, 40, 60])
    structure = np.array([np.nanmean((errors[:, lag:] - errors[:, :-lag]) ** 2) / 2 for lag in lags])

    def model(lag: np.ndarray, jitter: float, drift: float, seconds: float) -> np.ndarray:
        return jitter**2 + drift**2 * (1 - np.exp(-lag / SYNTHETIC_FPS / seconds))

    start = (np.sqrt(structure[0]) / 2, np.sqrt(structure[-1]), 0.3)
    (jitter, drift, seconds), _ = curve_fit(model, lags, structure, start, bounds=([0, 0, 0.02], [1, 1, 5]))
    return float(offset), float(drift), float(seconds), float(jitter)


def synthetic_table(takes: list[tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Lines of a table: each pair of joints, the mean, swapped sides and missed people.

    Args:
        takes: estimated and true joints, as `synthetic_takes` yields them.
    """
    estimated, true = (np.stack(part) for part in zip(*takes, strict=True))
    unit = np.stack([unit_length(take[None])[0] for take in true])  # (S, T)
    errors = (estimated - true) / unit[..., None, None]
    distance = np.linalg.norm(errors, axis=-1)
    errors = np.where((distance < GROSS)[..., None], errors, np.nan)
    rows = ["| joint | mean error | offset x, y | offset | drift | seconds | jitter | lost |", "|---" * 8 + "|"]
    total = np.nanmean(np.linalg.norm(errors, axis=-1))
    for name, group in _groups().items():
        offset, drift, seconds, jitter = split_errors(errors[:, :, group])
        # Left and right are mirror images, so they share their outward offset.
        outward = np.array([-1.0 if H36M17.side(joint) == "right" else 1.0 for joint in group])
        facing = np.sign(true[:, :, 11, 0] - true[:, :, 14, 0])[..., None]  # the left shoulder is on the image's right
        x = 100 * np.nanmean(errors[:, :, group, 0] * outward * facing)
        y = 100 * np.nanmean(errors[:, :, group, 1])
        lost = 100 * (distance[:, :, group] >= GROSS).sum() / np.isfinite(distance[:, :, group]).sum()
        mean = 100 * np.nanmean(np.linalg.norm(errors[:, :, group], axis=-1))
        rows.append(
            f"| {name} | {mean:.1f} | {x:+.1f}, {y:+.1f} | {100 * offset:.1f} | {100 * drift:.1f} | {seconds:.2f} "
            f"| {100 * jitter:.2f} | {lost:.2f} |"
        )
    rows.append(f"mean error {100 * total:.1f} %")
    for limb, ends in LIMB_ENDS.items():
        swaps = [
            swapped_sides(e, t, u, ends)[np.isfinite(e[:, 0, 0])] for e, t, u in zip(estimated, true, unit, strict=True)
        ]
        rows.append(f"{limb} swapped in {100 * np.nanmean(np.concatenate(swaps)):.2f} % of images with distinct sides")
    rows.append(f"no person found in {100 * np.isnan(estimated[..., 0, 0]).mean():.2f} % of images")
    return rows


def video_table(name: str, points: np.ndarray, fps: float) -> str:
    """Row of a clip: jitter, and shares of joints, sides and people that are lost for a single image.

    Args:
        name: of the clip.
        points: (T, 17, 2) pixels, NaN if no person was found.
        fps: frames per second.
    """
    before, now, after = points[:-2], points[1:-1], points[2:]
    unit = np.nanmedian(np.linalg.norm(points[:, 8] - points[:, 0], axis=-1))
    there = np.isfinite(before[:, 0, 0]) & np.isfinite(after[:, 0, 0])
    same_person = there & (np.linalg.norm(after[:, 0] - before[:, 0], axis=-1) < unit)
    missed = np.isnan(now[same_person, 0, 0]).mean()
    kept = same_person & np.isfinite(now[:, 0, 0])
    residual = (now - (before + after) / 2)[kept] / unit  # of white jitter j: sd j sqrt(3/2)
    steady = (np.linalg.norm(after - before, axis=-1)[kept] / unit) < GROSS
    lost = (np.linalg.norm(residual, axis=-1) > GROSS) & steady
    jitter = np.median(np.abs(residual)) / 0.6745 / math.sqrt(1.5)
    units = np.full(int(kept.sum()), unit)
    swaps = {limb: swapped_sides(now[kept], before[kept], units, ends) for limb, ends in LIMB_ENDS.items()}
    cells = [f"{100 * np.nanmean(swap):.1f}" if np.isfinite(swap).any() else "-" for swap in swaps.values()]
    return (
        f"| {name} | {fps:.0f} | {int(kept.sum())} | {100 * jitter:.2f} | {100 * lost.mean():.2f} | {cells[0]} "
        f"| {cells[1]} | {100 * missed:.1f} |"
    )


def _groups() -> dict[str, list[int]]:
    """Joints by their name without side."""
    groups: dict[str, list[int]] = {}
    for index, joint in enumerate(H36M17.joints):
        groups.setdefault(joint.removeprefix("left_").removeprefix("right_"), []).append(index)
    return groups


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--video", type=Path, nargs="*", default=[], help="clips of one person")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="motion capture whose poses are drawn")
    parser.add_argument("--images", type=at_least(1), default=2000, help="of poses of --data")
    parser.add_argument("--model", choices=blazepose_files.MODELS, default="full", help="of BlazePose")


def main(args: argparse.Namespace) -> int:
    # A clip that cannot be read is reported before the synthetic camera runs for minutes.
    clips = [(path.name, VideoFile(path, fps=0.0, loop=False, horizontal_fov=1.0)) for path in args.video]
    sequences = load_motion(args.data, SYNTHETIC_FPS)
    estimator = estimators.create("blazepose", defaults_of("pose_estimator", model=args.model))
    print("\n".join(synthetic_table(list(synthetic_takes(estimator)))))
    if sequences:
        people = posed_people(estimator, sequences, args.images, np.random.default_rng(0))
        for line, joints in LINES.items():
            left, correlation = remaining_slope(*people, *joints)
            print(f"{line}: {left:.2f} of the slope against the trunk is left, correlation {correlation:.2f}")
    if clips:
        print("\n| clip | fps | images | jitter | lost | arms swapped | legs swapped | missed |\n" + "|---" * 8 + "|")
    for name, video in clips:
        print(video_table(name, *video_take(estimator, video, name)))
    estimator.close()
    return 0
