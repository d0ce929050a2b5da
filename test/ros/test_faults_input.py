"""Hostile key-frames, calibration and skeletons through the real uplift and refiner nodes.

The test acts as detector and camera in real time. After each fault good key-frames follow: people are published again
within the promised time, all output is finite, and no absent person remains.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import rclpy
from rcl_interfaces.srv import SetParameters
from support.acting_detector import STRIDE, Detector, make_person
from support.clocks import FRAME, SECOND
from support.footprint import GIVE_BACK, Footprint
from support.people import AHEAD, person3d
from uplift_ros.msg import Person3D, Skeletons

from uplift_ros.messages.conversion import ros_messages
from uplift_ros.parameters import UPLIFT
from uplift_ros.poses import Person2D, ScaleSource, SkeletonFrame

PROMISE = 2.0
"""Seconds from the first good key-frame to the first refined skeleton of one; latency and delay are 0.16 s of it."""

CROWD_PROMISE = 8.0
"""Seconds for those after fifty people, who take a core several times longer than the time between two key-frames."""

MAX_CROWD = 48.0
"""Mebibytes that a node may take for its first fifty people, and keep. Measured: 19."""

MAX_GROWTH = 24.0
"""Mebibytes that a node may have grown by afterwards, over all faults so far, crowds among them. Measured: 11."""


# Faults, each for a moment


def stamps(*seconds: float) -> Callable[[Detector], None]:
    """Key-frames with these times after the start of the test."""

    def fault(detector: Detector) -> None:
        for second in seconds:
            detector.send(make_person(), stamp=detector.stamp + round(second * SECOND))

    return fault


def absolute_stamps(*stamps: int) -> Callable[[Detector], None]:
    def fault(detector: Detector) -> None:
        for stamp in stamps:
            detector.send(make_person(), stamp=stamp)

    return fault


def jump(seconds: float) -> Callable[[Detector], None]:
    """Time jumps and continues from there."""

    def fault(detector: Detector) -> None:
        detector.stamp += round(seconds * SECOND)

    return fault


def persons(*people: Person2D) -> Callable[[Detector], None]:
    def fault(detector: Detector) -> None:
        for _ in range(6):
            detector.send(*people)

    return fault


def keypoints(value: float, joints: slice = slice(None)) -> Callable[[Detector], None]:
    """Joints at an impossible place."""
    changed = make_person().keypoints.copy()
    changed[joints] = value
    return persons(make_person(keypoints=changed))


def joint_count(count: int) -> Callable[[Detector], None]:
    return persons(make_person(keypoints=np.full((count, 2), 100.0), scores=np.ones(count)))


def fields(**changed) -> Callable[[Detector], None]:
    """Key-frames with invalid fields."""

    def fault(detector: Detector) -> None:
        for _ in range(6):
            detector.send(make_person(), **changed)

    return fault


def calibration(**changed) -> Callable[[Detector], None]:
    def fault(detector: Detector) -> None:
        for _ in range(6):
            info = detector.calibration()
            for name, value in changed.items():
                setattr(info, name, value)
            detector.send(make_person(), info=info)

    return fault


def skeletons(**changed) -> Callable[[Detector], None]:
    """Another publisher of raw skeletons, which belong to no camera."""
    ghost = person3d(AHEAD)

    def fault(detector: Detector) -> None:
        for _ in range(6):
            detector.send(make_person())
            frame = SkeletonFrame(detector.stamp, "camera", (replace(ghost, **changed),))
            detector.raw.publish(ros_messages().skeletons(frame))

    return fault


def unknown_source(detector: Detector) -> None:
    message = Skeletons(skeleton="h36m17", persons=[Person3D(id="p1", source=200)])
    for _ in range(6):
        detector.send(make_person())
        detector.raw.publish(message)


def silence(detector: Detector) -> None:
    """No key-frame for longer than a pause."""
    detector.stamp += 5 * SECOND // 2
    begin = time.monotonic()
    detector.observer.wait_for(lambda: time.monotonic() - begin > 2.5)


def parameter_storm(detector: Detector) -> None:
    """Eight changes of dynamic parameters with every key-frame, half of them nonsense."""
    rng = np.random.default_rng(0)
    dynamic = [parameter for parameter in UPLIFT if parameter.dynamic and parameter.name != "stride_mode"]
    nonsense = (math.nan, -1, 10**9, "fast", True, [1, 2])
    for _ in range(12):
        answers = []
        for _ in range(8):  # a service queues ten requests
            parameter = dynamic[rng.integers(len(dynamic))]
            value = parameter.default if rng.random() < 0.5 else nonsense[rng.integers(len(nonsense))]
            change = rclpy.Parameter(parameter.name, value=value).to_parameter_msg()
            answers.append(detector.parameters.call_async(SetParameters.Request(parameters=[change])))
        detector.send(make_person())
        detector.observer.wait_for(lambda answers=answers: all(answer.done() for answer in answers))
    changes = [
        rclpy.Parameter(parameter.name, value=STRIDE if parameter.name == "stride" else parameter.default)
        for parameter in dynamic
    ]
    request = SetParameters.Request(parameters=[change.to_parameter_msg() for change in changes])
    answer = detector.observer.call(SetParameters, "uplift/set_parameters", request)
    assert all(result.successful for result in answer.results)


def crowd(first: int) -> list[Person2D]:
    return [make_person(f"p{number}") for number in range(first, first + 50)]


def same_crowd(detector: Detector) -> None:
    for _ in range(2):
        detector.send(*crowd(1))


def other_crowds(detector: Detector) -> None:
    for number in range(2):
        detector.send(*crowd(1 + 50 * number))


FAULTS: dict[str, Callable[[Detector], None]] = {
    "stamps zero": absolute_stamps(*[0] * 6),
    "stamps equal": stamps(*(-FRAME * STRIDE * number / SECOND for number in range(8))),
    "stamps that decrease slowly": stamps(*(-2 * FRAME * STRIDE * number / SECOND for number in range(8))),
    "stamps before 1970": absolute_stamps(-3 * SECOND, -2 * SECOND, -SECOND),
    "stamps at the end of time": absolute_stamps(*(SECOND * second for second in (2**31 - 2, 2**31 - 1))),
    "stamps that alternate between now and an hour ahead": stamps(*(0.0, 3600.0) * 4),
    "clock jumps ahead an hour": jump(3600.0),
    "clock jumps back an hour": jump(-3600.0),
    "a bag that loops": jump(-20.0),
    "no key-frames for 2.5 s": silence,
    "keypoints NaN": keypoints(math.nan),
    "some keypoints NaN": keypoints(math.nan, slice(5, 12)),
    "pelvis NaN": keypoints(math.nan, slice(0, 1)),
    "keypoints infinite": keypoints(math.inf),
    "some keypoints infinite": keypoints(-math.inf, slice(5, 12)),
    "keypoints huge": keypoints(3e38),
    "some keypoints huge": keypoints(9e5, slice(5, 12)),
    "keypoints negative": keypoints(-5e4),
    "all keypoints in one place": keypoints(100.0),
    "5 joints": joint_count(5),
    "33 joints": joint_count(33),
    "no joints": joint_count(0),
    "scores NaN": persons(make_person(score=math.nan, scores=np.full(17, math.nan))),
    "scores out of range": persons(make_person(score=-5.0, scores=np.linspace(-1e30, 1e30, 17))),
    "scores zero": persons(make_person(score=0.0, scores=np.zeros(17))),
    "box NaN": persons(make_person(bbox=np.full(4, math.nan))),
    "two people of one id": persons(make_person(), make_person()),
    "people without id": persons(make_person("")),
    "an id of 10,000 letters": persons(make_person("p" * 10_000)),
    "50 people": same_crowd,
    "50 other people at the next key-frame": other_crowds,
    "another skeleton": fields(skeleton="coco17"),
    "images without size": fields(width=0, height=0),
    "images of another size": fields(width=64, height=4000),
    "stride zero": fields(stride=0),
    "stride huge": fields(stride=2**32 - 1),
    "sequence stands still": fields(sequence=0),
    "sequence at its end": fields(sequence=2**32 - 1),
    "camera_info all zeros": calibration(k=[0.0] * 9),
    "camera_info NaN": calibration(k=[math.nan] * 9),
    "camera_info infinite": calibration(k=[math.inf] * 9),
    "camera_info of a mirrored camera": calibration(k=[-500.0, 0.0, 320.0, 0.0, -500.0, 240.0, 0.0, 0.0, 1.0]),
    "camera_info of other images": calibration(width=1, height=1),
    "camera_info of an unknown lens": calibration(distortion_model="kaleidoscope", d=[1.0] * 5),
    "camera_info with absurd distortion": calibration(d=[1e9, -1e9, 1e9, 1e9, -1e9]),
    "joints of raw skeletons NaN": skeletons(joints=np.full((17, 3), math.nan)),
    "joints of raw skeletons huge": skeletons(joints=np.full((17, 3), 1e300)),
    "3 joints in raw skeletons": skeletons(joints=np.zeros((3, 3)), scores=np.ones(3)),
    "covariance of raw skeletons NaN": skeletons(covariance=np.full((17, 6), math.nan)),
    "covariance of raw skeletons of one joint": skeletons(covariance=np.ones((1, 6))),
    "raw skeletons from nowhere": unknown_source,
    "a storm of parameters": parameter_storm,
}


@pytest.fixture(scope="module")
def detector(nodes, shared_observer, random_weights):
    """A detector whose graph runs and is steady."""
    with pytest.MonkeyPatch.context() as environment:
        for variable, value in GIVE_BACK.items():
            environment.setenv(variable, value)
        nodes.start("uplift", model=random_weights["uplift"], stride_mode="fixed", stride=STRIDE)
        nodes.start("refiner", method="synsp", model=random_weights["refiner"])
    detector = Detector(shared_observer)
    shared_observer.wait_for_connection("uplift", ("uplift", "keyframes"), ("refiner", "skeletons/raw"))
    shared_observer.wait_for(lambda: detector.keyframes.get_subscription_count())
    detector.recover()
    detector.leave()
    return detector


@pytest.fixture(scope="module")
def steady(detector, nodes) -> list[Footprint]:
    """Footprint of the nodes before the first fault, after the largest number of people."""
    alone = [Footprint.of(process.pid) for process in nodes.processes]
    other_crowds(detector)
    detector.recover()
    detector.leave()
    crowded = [Footprint.of(process.pid) for process in nodes.processes]
    for process, before, after in zip(nodes.processes, alone, crowded, strict=True):
        assert after.mebibytes - before.mebibytes < MAX_CROWD, process.name
    return crowded


@pytest.mark.parametrize("fault", FAULTS)
def test_skeletons_continue_after(detector, steady, nodes, recovered, fault):
    detector.skeletons.clear()
    for _ in range(3):
        detector.send(make_person())
    FAULTS[fault](detector)
    recovered(fault, detector.recover(), CROWD_PROMISE if "50" in fault else PROMISE)
    detector.leave()
    assert all(np.isfinite(person.joints).all() for frame in detector.skeletons for person in frame.persons)
    assert not nodes.tracebacks
    for process, before in zip(nodes.processes, steady, strict=True):
        now = Footprint.of(process.pid)
        assert now.mebibytes - before.mebibytes < MAX_GROWTH, process.name
        assert (now.threads, now.files) == (before.threads, before.files), process.name


@pytest.mark.parametrize("lost", [0.0, 0.3], ids=["all come", "30 % lost"])
def test_lost_and_late_key_frames_leave_no_gap(detector, recovered, lost):
    """Every frame from the first key-frame to the newest that is final, though each comes up to 20 ms late."""
    rng = np.random.default_rng(0)
    detector.skeletons.clear()
    first = detector.stamp
    for _ in range(50):
        if rng.random() < lost:
            detector.stamp += STRIDE * FRAME
        else:
            detector.send(make_person(), late=rng.uniform(0.0, 0.02))
    seconds = detector.recover()
    recovered("key-frames that come up to 20 ms late" + (", 30 % lost" if lost else ""), seconds, PROMISE)
    stamps = [frame.stamp for frame in detector.skeletons if frame.stamp >= first]
    assert stamps == [first + number * FRAME for number in range(len(stamps))]
    detector.leave()


def test_people_have_no_scale_until_camera_info_comes(detector, recovered):
    for transition in ("deactivate", "activate"):  # forget the camera
        assert detector.observer.change_state("uplift", transition)
    detector.observer.wait_for(lambda: detector.keyframes.get_subscription_count())
    detector.skeletons.clear()
    while not any(frame.persons for frame in detector.skeletons):
        detector.send(make_person(), calibrated=False)
    scales = {person.scale_source for frame in detector.skeletons for person in frame.persons}
    assert scales == {ScaleSource.NONE}
    recovered("camera_info absent, then late", detector.recover(), PROMISE)
    detector.leave()
