"""Motion capture moved to the points that detectors mark."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.convention import as_detected, joint_axes
from uplift_ros.lab.data.mocap import CANONICAL_CHAIN, MOCAP_CHAIN, chain_length
from uplift_ros.skeleton import H36M17, THORAX_RAISE
from uplift_ros.sources.synthetic.motion import pose

NAMES = {name: index for index, name in enumerate(H36M17.joints)}


@pytest.fixture(scope="module")
def captured():
    joints = np.stack([pose(frame / 10) for frame in range(100)])
    return joints * MOCAP_CHAIN / chain_length(joints).mean()


def length(joints, first, second):
    return np.linalg.norm(joints[:, NAMES[first]] - joints[:, NAMES[second]], axis=-1).mean()


def test_segments_get_the_lengths_that_detectors_show(captured):
    """Hips wider, shoulders narrower, knees lower, wrists nearer to elbows, head farther."""
    moved = as_detected(captured)
    for first, second, longer in (
        ("left_hip", "right_hip", True), ("left_shoulder", "right_shoulder", False), ("left_hip", "left_knee", True),
        ("left_knee", "left_ankle", False), ("left_elbow", "left_wrist", False), ("thorax", "head", True),
    ):  # fmt: skip
        assert (length(moved, first, second) > length(captured, first, second)) == longer
    assert chain_length(moved).mean() == pytest.approx(CANONICAL_CHAIN, rel=0.02)


def test_joints_between_others_are_those_of_the_mapping_of_detectors(captured):
    moved = as_detected(captured)
    hips = (moved[:, NAMES["left_hip"]] + moved[:, NAMES["right_hip"]]) / 2
    shoulders = (moved[:, NAMES["left_shoulder"]] + moved[:, NAMES["right_shoulder"]]) / 2
    np.testing.assert_allclose(moved[:, NAMES["pelvis"]], hips, atol=1e-6)
    np.testing.assert_allclose(moved[:, NAMES["thorax"]], shoulders + THORAX_RAISE * (shoulders - hips), atol=1e-6)
    np.testing.assert_allclose(moved[:, NAMES["spine"]], (moved[:, 0] + moved[:, NAMES["thorax"]]) / 2, atol=1e-6)


def test_the_move_turns_with_the_person_grows_with_the_size_and_keeps_sides(captured):
    moved, turn = as_detected(captured), Rotation.from_euler("xyz", (20, 40, 130), degrees=True).as_matrix()
    np.testing.assert_allclose(as_detected(captured @ turn.T), moved @ turn.T, atol=1e-9)
    np.testing.assert_allclose(as_detected(2 * captured), 2 * moved, atol=1e-9)
    mirrored = captured[:, H36M17.flip] * (1, -1, 1)
    np.testing.assert_allclose(as_detected(mirrored), moved[:, H36M17.flip] * (1, -1, 1), atol=1e-9)


def test_axes_are_unit_vectors_of_the_persons_own_directions(captured):
    """Joint axes of the synthetic person, who walks along x: y is left, z up."""
    axes = joint_axes(captured)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=-1), 1, atol=1e-9)
    assert (axes[:, NAMES["left_hip"], 0, 1] * axes[:, NAMES["right_hip"], 0, 1] < 0).all()
    assert axes[:, NAMES["head"], 0, 2].mean() > 0.9
