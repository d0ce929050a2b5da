"""Video of a recorded run: the camera image with the skeleton overlaid, the skeleton in 3D, and a strip chart."""

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np

from uplift_ros.bags.ground_truth import TrueMotion, match
from uplift_ros.bags.reader import BagError
from uplift_ros.bags.recording import Recording, images, load
from uplift_ros.drawing.chart import StripChart
from uplift_ros.drawing.skeletons import OUTLINE, dot, draw_keypoints, draw_pose, text
from uplift_ros.drawing.view3d import SkeletonView
from uplift_ros.files import atomic_write
from uplift_ros.offline.prefetch import prefetch
from uplift_ros.poses import NANOSECONDS, SkeletonFrame

CODECS = ("avc1", "mp4v")
"""Codecs in order of preference: H.264 plays everywhere, but few builds of OpenCV include it."""

FPS = 50.0
PANEL_HEIGHT = 480
CHART_HEIGHT = 120
TURN = np.radians(12.0)
"""Rotation of the viewpoint, radians per second."""

FLASH_S = 0.12
"""Seconds for which the badge of a key-frame is shown."""

IMAGES_AHEAD = 4
"""Images that a thread decodes ahead of drawing."""

WHITE = (236, 238, 242)
GREY = (128, 136, 150)
BADGE = (255, 196, 84)


def render(bag: str | Path, path: str | Path) -> None:
    """Draw the run recorded in `bag` to an mp4 at `path`.

    Everything is shown at its stamp, without processing latency. The skeleton in the image is the refined 3D skeleton,
    projected through the recorded camera_info. Ground truth is drawn behind the estimated skeletons, aligned at the
    pelvis, as the errors are measured.

    Raises:
        BagError: the bag cannot be read, or holds neither images nor skeletons.
        ValueError: an image cannot be decoded.
        OSError: the video cannot be written.
    """
    recording = load(bag)
    scene = _Scene(recording)
    writer: cv2.VideoWriter | None = None
    with atomic_write(Path(path)) as beside, closing(prefetch(_images(bag, recording), IMAGES_AHEAD)) as frames:
        for stamp, image in _at_rate(frames, scene.first, scene.last):
            frame = scene.draw(stamp, image)
            if writer is None:
                writer = _open(beside, frame.shape[1], frame.shape[0], str(path))
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        if writer is None:
            raise BagError(f"bag {bag} must have images or skeletons to draw, got neither")
        writer.release()


class _Scene:
    """Content of the video by time."""

    def __init__(self, recording: Recording) -> None:
        stamps = recording.image_stamps or [frame.stamp for frame in recording.skeletons]
        self.first, self.last = (min(stamps), max(stamps)) if stamps else (0, -1)
        self._camera = recording.camera
        self._skeletons = recording.skeletons
        self._skeleton_stamps = np.array([frame.stamp for frame in recording.skeletons], np.int64)
        self._keyframes = {keyframe.stamp: keyframe for keyframe in recording.keyframes}
        self._keyframe_stamps = np.array(sorted(self._keyframes), np.int64)
        self._truth = TrueMotion(recording.ground_truth)
        self._recording = recording
        joints = np.array([person.joints for frame in recording.skeletons for person in frame.persons])
        self._joints = joints.reshape(-1, 17, 3)
        self._centre = np.median(self._joints[:, 0], 0) if len(self._joints) else np.zeros(3)
        self._view: SkeletonView | None = None
        self._chart: StripChart | None = None

    def draw(self, stamp: int, image: np.ndarray) -> np.ndarray:
        """Draw the video frame (H, W, 3) uint8 RGB of a stamp."""
        seconds = (stamp - self.first) / NANOSECONDS
        skeletons = self._at(stamp)
        left = self._draw_image(stamp, image, skeletons)
        right = self._draw_view(stamp, seconds, skeletons)
        panels = np.concatenate([left, right], 1)
        if self._chart is None:
            self._chart = self._make_chart(panels.shape[1])
        return np.concatenate([panels, self._chart.at(seconds)])

    def _at(self, stamp: int) -> SkeletonFrame | None:
        """Skeletons nearest to a stamp; None if they are more than a frame away."""
        if not len(self._skeletons):
            return None
        nearest = int(np.abs(self._skeleton_stamps - stamp).argmin())
        near = abs(int(self._skeleton_stamps[nearest]) - stamp) <= NANOSECONDS / FPS
        return self._skeletons[nearest] if near else None

    def _draw_image(self, stamp: int, image: np.ndarray, skeletons: SkeletonFrame | None) -> np.ndarray:
        scale = PANEL_HEIGHT / image.shape[0]
        size = (round(image.shape[1] * scale / 2) * 2, PANEL_HEIGHT)
        panel = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale != 1 else image.copy()
        if skeletons and self._camera:
            for person in skeletons.persons:
                draw_pose(panel, self._camera.project(person.joints) * scale, person.scores)
        if stamp in self._keyframes:
            for found in self._keyframes[stamp].persons:
                draw_keypoints(panel, found.keypoints * scale)
        self._draw_badge(panel, stamp)
        return panel

    def _draw_badge(self, panel: np.ndarray, stamp: int) -> None:
        latest = int(np.searchsorted(self._keyframe_stamps, stamp, side="right")) - 1
        age = (stamp - int(self._keyframe_stamps[latest])) / NANOSECONDS if latest >= 0 else FLASH_S
        if age < FLASH_S:
            cv2.rectangle(panel, (8, 8), (112, 30), OUTLINE, -1)
            dot(panel, np.array([19.0, 19.0]), 5, BADGE)
            text(panel, "key-frame", (32, 23), BADGE)

    def _draw_view(self, stamp: int, seconds: float, skeletons: SkeletonFrame | None) -> np.ndarray:
        if self._view is None:
            self._view = self._make_view()
        people = skeletons.persons if skeletons else ()
        truth = self._truth.at(stamp)
        ghosts = [truth[name] - truth[name][0] + person.joints[0] for person, name in match(people, truth)]
        if people:  # follow slowly, so that the person moves in the image, not the floor
            self._centre = 0.96 * self._centre + 0.04 * np.mean([person.joints[0] for person in people], 0)
        azimuth = TURN * seconds
        panel = self._view.draw(self._centre, azimuth, [(person.joints, person.scores) for person in people], ghosts)
        text(panel, "3D, refined", (12, 23), WHITE)
        if ghosts:
            text(panel, "grey: true pose", (12, 43), GREY)
        return panel

    def _make_view(self) -> SkeletonView:
        """Make a view distant enough to show all people, with the floor under the lowest feet."""
        if not len(self._joints):
            return SkeletonView(PANEL_HEIGHT, floor=1.0, distance=4.0)
        floor = float(np.percentile(self._joints[..., 1].max(1), 95)) + 0.06
        crowd = max(np.ptp([person.joints[0] for person in f.persons], 0).max() for f in self._skeletons if f.persons)
        return SkeletonView(PANEL_HEIGHT, floor, distance=3.3 + float(crowd))

    def _make_chart(self, width: int) -> StripChart:
        def seconds(stamp: int) -> float:
            return (stamp - self.first) / NANOSECONDS

        velocities = [
            (seconds(frame.stamp), max((person.velocity for person in frame.persons), default=np.nan))
            for frame in self._skeletons
        ]
        strides = [(seconds(stamp), state.stride) for stamp, state in self._recording.rates]
        keyframes = (self._keyframe_stamps - self.first) / NANOSECONDS
        length = (self.last - self.first) / NANOSECONDS
        return StripChart(width, CHART_HEIGHT, length, _series(velocities), _series(strides), keyframes)


def _series(values: list[tuple[float, float]]) -> np.ndarray:
    return np.array(values, float).reshape(-1, 2)


def _images(bag: str | Path, recording: Recording) -> Generator[tuple[int, np.ndarray], None, None]:
    """Yield the recorded images, or black images of the camera's size if none were recorded."""
    if recording.image_topic:
        yield from images(bag, recording.image_topic)
        return
    camera = recording.camera
    black = np.zeros((camera.height, camera.width, 3) if camera else (PANEL_HEIGHT, PANEL_HEIGHT, 3), np.uint8)
    for stamp in recording.image_stamps or [frame.stamp for frame in recording.skeletons]:
        yield stamp, black


def _at_rate(frames: Iterator[tuple[int, np.ndarray]], first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """Resample images to FPS: some are repeated or dropped; a new image keeps its own stamp."""
    period = NANOSECONDS / FPS
    shown, following = next(frames, None), next(frames, None)
    for index in range(round((last - first) / period) + 1):
        now = first + round(index * period)
        while following and following[0] <= now + period / 2:
            shown, following = following, next(frames, None)
        if shown:
            fresh = abs(shown[0] - now) <= period / 2
            yield (shown[0] if fresh else now), shown[1]


def _open(path: Path, width: int, height: int, name: str) -> cv2.VideoWriter:
    """Open a video writer for the temporary file `path`; errors use `name`, the path that the user knows."""
    for codec in CODECS:
        with _quiet():
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, (width, height))
        if writer.isOpened():
            return writer
    raise OSError(
        f"video {name} cannot be written: OpenCV has no codec of {', '.join(CODECS)}, or the folder is not writable"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence stderr, where C libraries complain about every missing codec."""
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
