"""Accuracy on real video: the pipeline of `uplift process`, and the detector's own 3D, against a 3D reference."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros import metrics, settings
from uplift_ros.lab.data.mocap import FRAME_RATE_HZ
from uplift_ros.lab.data.protocols import Clip, Estimate
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.evaluation import scores
from uplift_ros.lab.evaluation.reference import Reference
from uplift_ros.lab.export import exported
from uplift_ros.offline.image_sequence import LazyImage, VideoSequence
from uplift_ros.offline.process import STAGES, Networks
from uplift_ros.poses import NANOSECONDS, Person2D, Person3D, SkeletonFrame, Source
from uplift_ros.skeleton import H36M17, LIMB_JOINTS
from uplift_ros.stages import build
from uplift_ros.streaming.keyframes import KeyframeSchedule
from uplift_ros.streaming.track import interpolate

NEAREST_PERSON = "nearest"
"""Selects the person whom the camera sees nearest to the reference, frame by frame."""

WORLD_STRIDES = (1, 10, 20)
"""Frames between the key-frames of the detector's own 3D."""


def overrides(stride: int | str, latency: int, refiner: Refiner, refiner_model: str | None) -> settings.Settings:
    """Parameters of the pipeline for a row.

    Args:
        stride: of key-frames, or "adaptive".
        latency: frames.
        refiner: method, delay and rigid.
        refiner_model: its weights.
    """
    values = settings.stride_overrides(str(stride))
    values["refiner"] = {"method": refiner.method, "delay": refiner.delay, "rigid": refiner.rigid}
    values["uplift"] = values["uplift"] | {"latency": latency}
    if refiner_model:
        values["refiner"]["model"] = exported(refiner_model)
    return values


Detection = tuple[Person2D, np.ndarray | None]
"""A person in an image, with the detector's own 3D (17, 3) in metres if it has one."""


class DetectionCache:
    """2D estimator that processes each image of a clip at most once, for all passes with their key-frames.

    Args:
        video: the clip.
        networks: with the estimator.
        size: width and height of the images.

    Attributes:
        seconds: CPU time of the estimator for the key-frames of the current pass, without decoding.
        lookup_seconds: CPU time of the estimator and of decoding so far, which only the first pass of an image needs.
        newest: returns the people of the newest image.
        has_world: the estimator has 3D of its own.
    """

    newest: Callable[[], list[Detection]]

    def __init__(self, video: Path, networks: Networks, size: tuple[int, int]) -> None:
        self._video, self._estimator = video, networks.estimator
        self.has_world = hasattr(self._estimator, "estimate_with_world")
        self._find: Callable[[np.ndarray], list[Detection]] = getattr(
            self._estimator, "estimate_with_world", self._without_world
        )
        self._blank = np.broadcast_to(np.uint8(0), (size[1], size[0], 3))
        self.lookup_seconds = 0.0
        self._found: dict[int, tuple[list[Detection], float]] = {}
        self._used: set[int] = set()

    @property
    def seconds(self) -> float:
        return sum(self._found[stamp][1] for stamp in self._used)

    def images(self, looks_back: bool) -> Iterator[LazyImage]:
        """The images of the clip for a new pass; they are blank, since `estimate` reads the cache.

        Args:
            looks_back: keep images for look back.
        """
        self._used = set()
        with closing(VideoSequence(self._video, 0.0, 1.0, "camera", keeps_images=looks_back)) as sequence:
            for frame in sequence.images():
                self.newest = partial(self._look, frame)
                yield replace(frame, image=partial(self._show, frame))

    def _show(self, frame: LazyImage) -> np.ndarray:
        """Blank image, for which `estimate` then returns the people of this one."""
        self.newest = partial(self._look, frame)
        return self._blank

    def _look(self, frame: LazyImage) -> list[Detection]:
        """People of an image, from the cache if the image was processed before."""
        if frame.stamp not in self._found:
            began = time.process_time()
            image = frame.image()
            if image.shape != self._blank.shape:
                raise ValueError(
                    f"camera: image_width and image_height must be the video's {image.shape[1]}x{image.shape[0]}, "
                    f"got {self._blank.shape[1]}x{self._blank.shape[0]}"
                )
            started = time.process_time()
            found = self._find(image)
            self._found[frame.stamp] = found, time.process_time() - started
            self.lookup_seconds += time.process_time() - began
        self._used.add(frame.stamp)
        return self._found[frame.stamp][0]

    def estimate(self, image: np.ndarray, *, quick: bool = False) -> list[Person2D]:
        """People of the newest image, as a PoseEstimator; `quick` has no effect, since no image waits."""
        return [person for person, _ in self.newest()]

    def close(self) -> None:
        self._estimator.close()

    def _without_world(self, image: np.ndarray) -> list[Detection]:
        return [(person, None) for person in self._estimator.estimate(image)]


@dataclass(frozen=True)
class VideoRun:
    """Result of one pass over a clip.

    Attributes:
        estimate: poses of the person.
        seconds: CPU time of the whole pipeline, without decoding.
        keyframes: images that the estimator processed.
    """

    estimate: Estimate
    seconds: float
    keyframes: int


class VideoEvaluation:
    """Evaluation of one clip against its reference.

    Args:
        video: the clip.
        reference: its camera and true joints.
        model: uplifting weights, by name or file.
        parameters: file of ROS parameters, as for `uplift process`.
        person: NEAREST_PERSON, or the id of a track.

    Attributes:
        flip: the pipeline averages with mirrored poses.
    """

    def __init__(self, video: Path, reference: Reference, model: str, parameters: Path | None, person: str) -> None:
        self.reference, self.parameters, self.person = reference, parameters, person
        values = settings.load(parameters, {"uplift": {"model": exported(model)}, "refiner": {"method": "none"}})
        networks = Networks.load(values)
        self.flip = values["uplift"]["flip"]
        self._uplift = networks.uplift
        self.detections = DetectionCache(video, networks, (reference.camera.width, reference.camera.height))
        frames = np.arange(int(reference.seconds * FRAME_RATE_HZ + 1e-6) + 1)
        self._nominal = frames * NANOSECONDS / FRAME_RATE_HZ
        self._truth = reference.at(self._nominal)

    def run(self, stride: int | str, overrides: settings.Settings) -> tuple[VideoRun, VideoRun]:
        """Run the pipeline of `uplift process` over the clip: raw and refined results.

        Args:
            stride: of key-frames, or "adaptive".
            overrides: parameters of the pipeline.
        """
        values = settings.load(self.parameters, overrides)
        nodes = {node: settings.NodeSettings(node, values[node]) for node in STAGES}
        refine = build.refinement_network(nodes["refiner"])
        pipeline = Networks(nodes, self.detections, self._uplift, refine).pipeline()
        raw: list[SkeletonFrame] = []
        refined: list[SkeletonFrame] = []
        seconds, keyframes = 0.0, 0
        for frame in self.detections.images(looks_back=stride == "adaptive"):
            started, lookup_seconds = time.process_time(), self.detections.lookup_seconds
            step = pipeline.push(frame.stamp, frame.frame_id, self.reference.camera, frame.image)
            seconds += time.process_time() - started - (self.detections.lookup_seconds - lookup_seconds)
            keyframes += (step.keyframe is not None) + len(step.older)
            raw, refined = raw + step.raw, refined + step.refined
        step = pipeline.flush()
        seconds += self.detections.seconds
        return (
            VideoRun(self._estimate(raw + step.raw), seconds, keyframes),
            VideoRun(self._estimate(refined + step.refined), seconds, keyframes),
        )

    def world(self, stride: int) -> VideoRun | None:
        """The detector's own 3D at every `stride`-th frame, interpolated linearly; None if the detector has none."""
        if not self.detections.has_world:
            return None
        schedule = KeyframeSchedule(stride, FRAME_RATE_HZ)
        stamps, poses = [], []
        for frame in self.detections.images(looks_back=False):
            if schedule.is_due(frame.stamp):
                schedule.take(frame.stamp)
                found = self.detections.newest()
                pelvis = self.reference.at(np.array([frame.stamp]))[0, :1]
                seen = self.reference.camera.project(pelvis)
                distance = [np.linalg.norm(person.keypoints[0] - seen) for person, _ in found]
                pose = found[int(np.argmin(distance))][1] if found else None
                if pose is not None:
                    stamps.append(frame.stamp)
                    poses.append(pose)
        if not poses:
            return None
        at = self._nominal[(self._nominal >= stamps[0]) & (self._nominal <= stamps[-1])]
        frames = np.round(at * FRAME_RATE_HZ / NANOSECONDS).astype(int)
        estimate = self._limited(interpolate(at, np.array(stamps), np.stack(poses)), frames, np.isin(at, stamps))
        return VideoRun(estimate, self.detections.seconds, len(stamps))

    def row(self, run: VideoRun) -> scores.Row:
        """`scores.score` over limbs, since trunk and head are defined differently, and metrics of real recordings.

        Keys:
            scale: factor that minimises the clip's distance to the truth.
            tilt: degrees between the image's vertical axis and the same axis after the best rotation to the truth.
            root_error: mm, of the pelvis as placed; None if it is not placed.
            coverage: share of the reference's frames that have an estimate.
            cpu_per_second: CPU seconds for a second of video, without decoding.
        """
        estimate = run.estimate
        row = scores.score([estimate], FRAME_RATE_HZ, LIMB_JOINTS)
        relative, truth = metrics.root_relative(estimate.poses), metrics.root_relative(estimate.truth)
        turn, _ = Rotation.align_vectors(truth[:, LIMB_JOINTS].reshape(-1, 3), relative[:, LIMB_JOINTS].reshape(-1, 3))
        placed = bool((estimate.poses[:, 0, 2] > 0).all())
        off = np.linalg.norm(estimate.poses[:, 0] - estimate.truth[:, 0], axis=-1)
        known = np.isfinite(self._truth[:, [0, *LIMB_JOINTS]]).all((1, 2)).sum()
        return row | {
            "keyframe_hz": run.keyframes / self.reference.seconds,
            "scale": metrics.clip_scale(estimate.poses, estimate.truth, LIMB_JOINTS),
            "tilt": float(np.degrees(np.arccos(np.clip(turn.as_matrix()[1, 1], -1.0, 1.0)))),
            "root_error": float(metrics.MILLIMETRES * off.mean()) if placed else None,
            "coverage": len(estimate.frames) / int(known),
            "cpu_per_second": run.seconds / self.reference.seconds,
        }

    def _estimate(self, frames: Sequence[SkeletonFrame]) -> Estimate:
        """The person of the reference in the frames that have one.

        Raises:
            ValueError: no frame has the person.
        """
        stamps = np.array([frame.stamp for frame in frames], float)
        pelves = self.reference.at(stamps)[:, 0]
        chosen = [self._choose(frame, pelvis) for frame, pelvis in zip(frames, pelves, strict=True)]
        skeletons = [
            replace(frame, persons=(person,))
            for frame, person in zip(frames, chosen, strict=True)
            if person is not None
        ]
        if not skeletons:
            raise ValueError(f"person must be in the video, got {self.person!r}, in none of {len(frames)} frames")
        stamps = np.array([frame.stamp for frame in skeletons], float)
        return self._limited(
            np.stack([frame.persons[0].joints for frame in skeletons]),
            np.round(stamps * FRAME_RATE_HZ / NANOSECONDS).astype(int),
            np.array([frame.persons[0].source is Source.KEYFRAME for frame in skeletons]),
            stamps,
            skeletons,
        )

    def _choose(self, frame: SkeletonFrame, pelvis: np.ndarray) -> Person3D | None:
        """The person to evaluate, given the pelvis (3,) of the reference."""
        if self.person != NEAREST_PERSON:
            return next((person for person in frame.persons if person.id == self.person), None)
        sight = pelvis / np.linalg.norm(pelvis)
        roots = [person.joints[0] for person in frame.persons]
        cosines = [root @ sight / max(float(np.linalg.norm(root)), 1e-9) for root in roots]
        return frame.persons[int(np.argmax(cosines))] if cosines else None

    def _limited(
        self,
        poses: np.ndarray,
        frames: np.ndarray,
        keyframes: np.ndarray,
        stamps: np.ndarray | None = None,
        skeletons: Sequence[SkeletonFrame] = (),
    ) -> Estimate:
        """An estimate limited to frames that have a reference, which is read at `stamps` if they are given."""
        truth = self._truth.copy()
        inside = frames < len(truth)
        if stamps is not None:
            truth[frames[inside]] = self.reference.at(stamps[inside])
        known = inside.copy()
        known[inside] = np.isfinite(truth[frames[inside]][:, [0, *LIMB_JOINTS]]).all((1, 2))
        clip = Clip(f"video/{self.reference.name}/0", truth, np.empty((0, len(H36M17), 2)), np.empty((0, len(H36M17))))
        published = tuple(itertools.compress(skeletons, known))
        return Estimate(clip, poses[known], frames[known], keyframes[known], skeletons=published)
