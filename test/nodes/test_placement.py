"""Placement of the person before the synthetic camera if the true stature is given."""

import numpy as np
import pytest
from support.people import person2d

from uplift_ros import estimators
from uplift_ros.camera import CANONICAL_STATURE
from uplift_ros.models import runtime
from uplift_ros.poses import Keyframe, Person2D
from uplift_ros.settings import defaults_of
from uplift_ros.sources import SourceFrame
from uplift_ros.sources.synthetic.motion import PERIOD
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource
from uplift_ros.streaming.uplifter import StreamingUplifter

STRIDE = 10
WITHIN = 0.05
"""Maximum error as part of the distance."""


def seen_truly(source: SyntheticSource, frame: SourceFrame) -> Person2D:
    return person2d(source.camera.project(frame.truth))


def placement_errors(see, seconds: float) -> np.ndarray:
    """Distances of the placed from the true pelvis, as parts of the distance to the camera, at key-frames."""
    source = SyntheticSource()
    uplifter = StreamingUplifter(
        runtime.load_uplift("compact"), latency=0, output_rate=50.0, person_height=CANONICAL_STATURE
    )
    errors = []
    for index in range(0, round(seconds * source.fps), STRIDE):
        frame = source.frame(index)
        people = (see(source, frame),)
        camera = source.camera
        keyframe = Keyframe(frame.time, "camera", camera.width, camera.height, index, STRIDE, people)
        placed = uplifter.push(keyframe, camera).live.persons[0].joints[0]
        errors.append(np.linalg.norm(placed - frame.truth[0]) / np.linalg.norm(frame.truth[0]))
    return np.array(errors)


def test_the_root_is_within_5_percent_of_the_distance_where_2d_is_true():
    assert (placement_errors(seen_truly, PERIOD) < WITHIN).mean() > 0.98


@pytest.mark.usefixtures("blazepose_files")
def test_the_root_is_within_5_percent_of_the_distance_where_blazepose_looks():
    estimator = estimators.create("blazepose", defaults_of("pose_estimator", model="full"))

    def see(source: SyntheticSource, frame: SourceFrame) -> Person2D:
        (person,) = estimator.estimate(frame.image)
        return person

    errors = placement_errors(see, PERIOD)
    estimator.close()
    assert (errors < WITHIN).mean() > 0.9
    assert errors.mean() < 0.03
