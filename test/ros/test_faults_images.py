"""Hostile images and cameras before the real pose_estimator node.

The test acts as a camera of 50 Hz in real time. After each fault good images follow: the person in them is found
again within the promised time, in key-frames with the images' own stamps, and no absent person remains.
"""

import itertools
import time
from collections.abc import Callable

import numpy as np
import pytest
from sensor_msgs.msg import Image
from support.clocks import FRAME, SECOND, START
from support.footprint import GIVE_BACK, Footprint
from uplift_ros.msg import Keyframe2D

from uplift_ros.messages.conversion import ros_messages, stamp_from_msg
from uplift_ros.nodes import qos
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

pytestmark = pytest.mark.usefixtures("blazepose_files")


STRIDE = 5

PROMISE = 2.0
"""Seconds from the first good image to the first key-frame of one; the estimator looks at an image every 0.1 s."""

MAX_GROWTH = 64.0
"""Mebibytes that the node may have grown by, over all faults so far; images of full HD pass through it."""

PERSON = SyntheticSource(320, 240, moving=False).frame(100).image
EMPTY_ROOM = np.zeros_like(PERSON)


class Camera:
    """Publishes images in real time and records the resulting key-frames.

    Attributes:
        stamp: of the next image, nanoseconds.
    """

    def __init__(self, observer) -> None:
        self.observer = observer
        self.keyframes = observer.collect(Keyframe2D, "keyframes")
        self.stamp = START
        self._due = time.monotonic()
        self.plug_in()

    def plug_in(self) -> None:
        self._images = self.observer.node.create_publisher(Image, "image_raw", qos.images())
        self.observer.wait_for(self._images.get_subscription_count)

    def pull_out(self) -> None:
        self.observer.node.destroy_publisher(self._images)

    def send(self, image: np.ndarray, late: float = 0.0, stamp: int | None = None, **changed) -> None:
        """Send the next image on time, `late` seconds after its stamp, with fields of the message changed."""
        self.wait(late)
        height, width = image.shape[:2]
        fields = {"height": height, "width": width, "encoding": "rgb8", "step": 3 * width, "data": image.tobytes()}
        header = ros_messages().header(self.stamp if stamp is None else stamp, "camera")
        self._images.publish(Image(header=header, **fields | changed))
        self.stamp += FRAME

    def wait(self, late: float = 0.0) -> None:
        """Wait until the time of the next image."""
        while (left := self._due + late - time.monotonic()) > 0:
            self.observer.executor.spin_once(timeout_sec=left)
        self._due = max(self._due, time.monotonic() - 0.1) + FRAME / SECOND

    def show(self, image: np.ndarray, people: int, limit: float = 120.0) -> float:
        """Send the same image until a key-frame of it has that many people; return the seconds that it took."""
        self._due = begin = time.monotonic()
        first, known = self.stamp, len(self.keyframes)

        def shown(keyframe: Keyframe2D) -> bool:
            return first <= stamp_from_msg(keyframe.header.stamp) < self.stamp

        while not (new := [keyframe for keyframe in self.keyframes[known:] if shown(keyframe)]):
            assert time.monotonic() - begin < limit, "no key-frames any more"
            self.send(image)
        assert [len(keyframe.persons) for keyframe in new] == [people] * len(new)
        return time.monotonic() - begin


# Faults, each for a moment


def stamps(*seconds: float) -> Callable[[Camera], None]:
    """Images with these times after the one they have."""

    def fault(camera: Camera) -> None:
        for second in seconds:
            camera.send(PERSON, stamp=camera.stamp + round(second * SECOND))

    return fault


def absolute_stamps(*stamps: int) -> Callable[[Camera], None]:
    def fault(camera: Camera) -> None:
        for stamp in stamps:
            camera.send(PERSON, stamp=stamp)

    return fault


def jump(seconds: float) -> Callable[[Camera], None]:
    """Time jumps and continues from there."""

    def fault(camera: Camera) -> None:
        camera.stamp += round(seconds * SECOND)

    return fault


def sizes(*sizes: tuple[int, int]) -> Callable[[Camera], None]:
    """Images of these heights and widths in turn."""

    def fault(camera: Camera) -> None:
        for _, (height, width) in zip(range(30), itertools.cycle(sizes)):
            camera.send(np.full((height, width, 3), 90, np.uint8))

    return fault


def fields(**changed) -> Callable[[Camera], None]:
    """Images whose fields do not match their data."""

    def fault(camera: Camera) -> None:
        for _ in range(15):
            camera.send(PERSON, **changed)

    return fault


def another_camera(camera: Camera) -> None:
    """The camera dies and comes back."""
    camera.pull_out()
    camera.stamp += SECOND
    begin = time.monotonic()
    camera.observer.wait_for(lambda: time.monotonic() - begin > 1.0)
    camera.plug_in()


def strangers(camera: Camera) -> None:
    """Two cameras on one topic, an hour apart."""
    for _ in range(15):
        camera.send(PERSON)
        camera.send(EMPTY_ROOM, stamp=camera.stamp - 3600 * SECOND)


FAULTS: dict[str, Callable[[Camera], None]] = {
    "image stamps zero": absolute_stamps(*[0] * 15),
    "image stamps equal": stamps(*(-number * FRAME / SECOND for number in range(15))),
    "image stamps that decrease": stamps(*(-2 * number * FRAME / SECOND for number in range(15))),
    "image stamps before 1970": absolute_stamps(*(number * FRAME - SECOND for number in range(15))),
    "image stamps at the end of time": absolute_stamps(*[(2**31 - 1) * SECOND] * 5),
    "the camera's clock jumps ahead an hour": jump(3600.0),
    "the camera's clock jumps back an hour": jump(-3600.0),
    "a camera that dies and comes back": another_camera,
    "two cameras on one topic": strangers,
    "images of changing size": sizes((240, 320), (480, 640), (100, 37), (1080, 1920)),
    "images of one pixel": sizes((1, 1)),
    "images of one row": sizes((1, 2000), (2000, 1)),
    "images without pixels": fields(height=0, width=0, step=0, data=b""),
    "images that claim to be larger": fields(height=2**32 - 1, width=2**32 - 1),
    "images shorter than they claim": fields(data=b"short"),
    "images with a wrong step": fields(step=7),
    "images without an encoding": fields(encoding=""),
    "images of an unknown encoding": fields(encoding="bayer_kaleidoscope16"),
    "depth images": fields(encoding="32FC1", step=4 * 320, data=bytes(4 * 320 * 240)),
}


@pytest.fixture(scope="module")
def camera(nodes, shared_observer):
    """A camera before a node that is steady."""
    with pytest.MonkeyPatch.context() as environment:
        for variable, value in GIVE_BACK.items():
            environment.setenv(variable, value)
        nodes.start("pose_estimator", stride=STRIDE)
    camera = Camera(shared_observer)
    shared_observer.wait_for_connection("pose_estimator")
    camera.show(PERSON, 1)
    sizes((1080, 1920))(camera)
    camera.show(EMPTY_ROOM, 0)
    return camera


@pytest.fixture(scope="module")
def steady(camera, nodes) -> Footprint:
    """Footprint of the node before the first fault."""
    return Footprint.of(nodes.processes[0].pid)


@pytest.mark.parametrize("fault", FAULTS)
def test_people_are_found_after(camera, steady, nodes, recovered, fault):
    camera.show(PERSON, 1)
    FAULTS[fault](camera)
    recovered(fault, camera.show(PERSON, 1), PROMISE)
    camera.show(EMPTY_ROOM, 0)
    now = Footprint.of(nodes.processes[0].pid)
    assert now.mebibytes - steady.mebibytes < MAX_GROWTH
    assert (now.threads, now.files) == (steady.threads, steady.files)
    assert not nodes.tracebacks


@pytest.mark.parametrize("lost", [0.0, 0.3], ids=["all come", "30 % lost"])
def test_lost_and_late_images_leave_the_rate_of_key_frames(camera, recovered, lost):
    """One in every stride, though each image comes up to 20 ms late; a busy machine may drop some."""
    rng = np.random.default_rng(0)
    camera.show(PERSON, 1)
    known, strides = len(camera.keyframes), 20
    for _ in range(strides * STRIDE):
        if rng.random() < lost:
            camera.wait()
            camera.stamp += FRAME
        else:
            camera.send(PERSON, late=rng.uniform(0.0, 0.02))
    seen = len(camera.keyframes) - known
    seconds = camera.show(PERSON, 1)
    recovered("images that come up to 20 ms late" + (", 30 % lost" if lost else ""), seconds, PROMISE)
    assert 1 <= seen <= strides + 1
    camera.show(EMPTY_ROOM, 0)
