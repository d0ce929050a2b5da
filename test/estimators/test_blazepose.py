import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.places import SHARED

from uplift_ros import estimators
from uplift_ros.skeleton import H36M17
from uplift_ros.sources.synthetic.synthetic_source import SyntheticSource

blazepose = pytest.importorskip("uplift_ros.estimators.blazepose", reason="BlazePose needs ai-edge-litert")

VIDEO = SHARED / "video"
pytestmark = pytest.mark.usefixtures("blazepose_files")

OPTIONS = {"model": "full", "model_path": "", "device": "cpu", "max_persons": 1, "score_threshold": 0.7}
REFERENCE = {
    int(frame): np.array(joints)
    for frame, joints in json.loads(Path(__file__).with_name("mediapipe_synthetic.json").read_text()).items()
}
"""MediaPipe 0.10.14's result, each image by itself, in frames of the synthetic camera: x, y, score of h36m17."""


def clip(name: str, frames: range) -> list[np.ndarray]:
    """RGB images of a clip of real people beside the project."""
    if not (VIDEO / name).exists():
        pytest.skip(f"needs the clip {name}")
    capture = cv2.VideoCapture(str(VIDEO / name))
    images = [capture.read()[1] for _ in range(frames.stop)]
    return [np.ascontiguousarray(images[index][..., ::-1]) for index in frames]


def load(**options) -> estimators.PoseEstimator:
    return estimators.create("blazepose", OPTIONS | options)


@pytest.fixture(scope="module")
def one_person():
    estimator = load()
    yield estimator
    estimator.close()


@pytest.mark.parametrize("option", [{"device": "cuda"}, {"max_persons": 0}, {"model": "huge"}, {"model_path": "no"}])
def test_an_option_that_blazepose_does_not_have_is_refused_by_name(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        estimators.create("blazepose", OPTIONS | option)


def test_quick_estimates_take_the_quick_network(monkeypatch):
    used = []
    monkeypatch.setattr(blazepose, "Network", lambda path: path.name)
    monkeypatch.setattr(blazepose, "_see", lambda network, *_: used.append(network))
    monkeypatch.setattr(blazepose.BlazePose, "_detect", lambda *_: ["region"])
    files = blazepose.blazepose_files.Located(Path("detector"), Path("accurate"), Path("quick"))
    estimator = blazepose.BlazePose(files, max_persons=1, score_threshold=0.7)
    for quick in (True, False):
        estimator.estimate(np.zeros((60, 80, 3), np.uint8), quick=quick)
    assert used == ["quick", "accurate"]


def test_joints_and_scores_are_those_of_mediapipe(one_person):
    source = SyntheticSource()
    distances, scores = [], []
    for frame, reference in REFERENCE.items():
        (person,) = one_person.estimate(source.frame(frame).image)
        distances.append(np.linalg.norm(person.keypoints - reference[:, :2], axis=-1))
        scores.append(np.abs(person.scores - reference[:, 2]))
    assert np.median(distances) < 1
    assert np.percentile(distances, 99) < 3
    assert np.max(scores) < 0.05


def test_a_person_is_found_in_every_image_with_joints_where_they_are(one_person):
    for image in clip("walk.mkv", range(0, 80, 20)):
        (person,) = one_person.estimate(image)
        assert person.id == ""
        assert person.keypoints.shape == (17, 2)
        assert person.scores.shape == (17,)
        assert 0.5 < person.score <= 1.0
        joint = dict(zip(H36M17.joints, person.keypoints, strict=True))
        assert joint["head"][1] < joint["thorax"][1] < joint["pelvis"][1]
        assert joint["right_shoulder"][0] < joint["left_shoulder"][0], "she faces the camera"


def test_the_box_holds_all_joints(one_person):
    (person,) = one_person.estimate(SyntheticSource().frame(0).image)
    corner, extent = person.bbox[:2], person.bbox[2:]
    np.testing.assert_allclose(person.keypoints.min(0), corner)
    np.testing.assert_allclose(person.keypoints.max(0), corner + extent)


def test_joints_of_the_synthetic_person_are_near_the_truth(one_person):
    source = SyntheticSource()
    for frame in (source.frame(index) for index in range(0, 1000, 250)):
        (person,) = one_person.estimate(frame.image)
        truth = source.camera.project(frame.truth)
        torso = np.linalg.norm(truth[H36M17.index("thorax")] - truth[H36M17.index("pelvis")])
        assert np.linalg.norm(person.keypoints - truth, axis=-1).mean() < 0.12 * torso


def test_its_own_3d_is_of_the_person_it_found(one_person):
    frame = SyntheticSource().frame(0)
    ((person, world),) = one_person.estimate_with_world(frame.image)
    height = np.ptp(world[:, 1])
    assert 1.0 < height < 2.2
    seen = np.ptp(person.keypoints, axis=0)
    assert np.ptp(world[:, 0]) / height == pytest.approx(seen[0] / seen[1], rel=0.25)


def test_an_image_gives_the_same_whatever_came_before(one_person):
    source = SyntheticSource()
    first, other = source.frame(0).image, source.frame(20).image
    alone = one_person.estimate(first)[0].keypoints
    one_person.estimate(other)
    np.testing.assert_array_equal(one_person.estimate(first)[0].keypoints, alone)


def test_an_empty_room_has_no_person_in_it(one_person):
    image = SyntheticSource().frame(0).image
    assert one_person.estimate(np.broadcast_to(image[:, :1], image.shape).copy()) == []


def test_an_empty_room_with_a_table_has_no_person_in_it(one_person):
    images = clip("one_by_one.mp4", range(0, 12, 3))
    assert [one_person.estimate(image) for image in images] == [[]] * 4


def test_two_people_are_found_once_each():
    estimator = load(max_persons=4, score_threshold=0.5)
    found = [sorted(estimator.estimate(image), key=lambda person: person.bbox[0])
             for image in clip("walking_pair.gif", range(0, 35, 3))]  # fmt: skip
    pairs = [people for people in found if len(people) == 2]
    assert len(pairs) >= 0.85 * len(found)
    assert all(left.keypoints[0, 0] < right.keypoints[0, 0] - 20 for left, right in pairs)
    estimator.close()


def test_no_more_people_are_returned_than_asked_for():
    estimator = load(max_persons=2, score_threshold=0.5)
    assert max(len(estimator.estimate(image)) for image in clip("store_aisle.gif", range(0, 60, 10))) == 2
    estimator.close()


def test_loading_is_quiet(capfd):
    load().close()
    assert capfd.readouterr().err == ""


def test_what_is_written_besides_notes_while_it_loads_is_not_held_back(capfd):
    with blazepose._quiet_stderr():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nout of memory\n")
    assert capfd.readouterr().err == "out of memory\n"


def test_a_figure_too_small_to_be_a_person_is_left_out():
    landmarks = np.random.default_rng(0).uniform(150, 350, (35, 2))
    region = blazepose.Region(np.array([250.0, 250.0]), 300.0)

    def person(scale: float):
        pose = blazepose.Pose(region, landmarks * scale, np.full(33, 0.9), np.zeros((33, 3)))
        return blazepose._person(pose, 480)

    assert person(0.05) is None
    assert person(1.0).bbox[3] > 100
