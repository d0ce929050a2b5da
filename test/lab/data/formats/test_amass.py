"""AMASS is loaded with a body model; broken files and models that do not fit are refused."""

import numpy as np
import pytest
from support.paper_data import TO_REGRESSOR

from uplift_ros.lab.data.formats import load
from uplift_ros.lab.data.formats.amass import BodyModel


def body_model(**changes):
    """Three joints in a row, a metre apart along x, the root at the origin; 17 vertices at 0.5, 1.5, 2.5 m and so on.

    Each joint of Human3.6M is one vertex; each vertex belongs to one joint.
    """
    vertices = np.zeros((17, 3))
    vertices[:, 0] = 0.5 + np.arange(17)
    owner = np.minimum(np.arange(17), 2)
    regressor = np.zeros((3, 17))  # joint k between vertices 0 and 1, so that it lies at k metres
    regressor[:, 0], regressor[:, 1] = 1.5 - np.arange(3), np.arange(3) - 0.5
    arrays = {
        "v_template": vertices,
        "shapedirs": np.zeros((17, 3, 2)),
        "posedirs": np.zeros((17, 3, 18)),
        "J_regressor": regressor,
        "weights": np.eye(3)[owner],
        "kintree_table": np.array([[2**32 - 1, 0, 1], [0, 1, 2]], np.uint32),
        "J_regressor_h36m": np.eye(17),
    }
    return arrays | changes


@pytest.fixture
def model_file(tmp_path):
    def write(**changes):
        path = tmp_path / "model.npz"
        np.savez(path, **body_model(**changes))
        return path

    return write


STILL = (np.zeros((1, 9)), np.zeros(2), np.zeros((1, 3)))
"""Poses, shape and translation of the body at rest."""


def test_a_body_at_rest_is_the_template_with_right_and_left_in_our_order(model_file):
    joints = BodyModel(model_file()).h36m17(*STILL)
    np.testing.assert_allclose(joints[0, :, 0], 0.5 + np.array(TO_REGRESSOR))
    np.testing.assert_allclose(joints[0, :, 1:], 0)


def test_a_turned_joint_carries_its_children_along(model_file):
    poses = np.zeros((1, 9))
    poses[0, 3:6] = (0, 0, np.pi / 2)  # the joint at x = 1 turns what follows towards y
    joints = BodyModel(model_file()).h36m17(poses, *STILL[1:])
    np.testing.assert_allclose(joints[0, 0], (0.5, 0, 0), atol=1e-12)
    np.testing.assert_allclose(joints[0, TO_REGRESSOR.index(1)], (1, 0.5, 0), atol=1e-12)
    np.testing.assert_allclose(joints[0, TO_REGRESSOR.index(5)], (1, 4.5, 0), atol=1e-12)


def test_rotations_add_up_along_the_chain(model_file):
    poses = np.zeros((1, 9))
    poses[0, 3:6] = poses[0, 6:9] = (0, 0, np.pi / 2)
    joints = BodyModel(model_file()).h36m17(poses, *STILL[1:])
    np.testing.assert_allclose(joints[0, TO_REGRESSOR.index(3)], (-0.5, 1, 0), atol=1e-12)


def test_shape_moves_vertices_and_joints(model_file):
    shapes = np.zeros((17, 3, 2))
    shapes[:, 2, 1] = 0.1  # the second shape raises everything
    model = BodyModel(model_file(shapedirs=shapes))
    poses = np.zeros((1, 9))
    poses[0, 3:6] = (0, np.pi, 0)  # about the joint, which must have been raised, too
    joints = model.h36m17(poses, np.array([0.0, 2.0, 7.0]), np.zeros((1, 3)))
    np.testing.assert_allclose(joints[0, :, 2], 0.2, atol=1e-12)


def test_pose_blend_shapes_move_vertices(model_file):
    pose_shapes = np.zeros((17, 3, 18))
    pose_shapes[0, 2, 0] = 1.0  # vertex 0 follows R[0, 0] - 1 of joint 1
    poses = np.zeros((1, 9))
    poses[0, 3:6] = (0, 0, np.pi)
    joints = BodyModel(model_file(posedirs=pose_shapes)).h36m17(poses, *STILL[1:])
    assert joints[0, 0, 2] == pytest.approx(-2.0)


def test_translation_moves_the_body(model_file):
    model = BodyModel(model_file())
    moved = model.h36m17(*STILL[:2], np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(moved - model.h36m17(*STILL), np.broadcast_to((1, 2, 3), (1, 17, 3)))


def amass(frames=121, **changes):
    arrays = {"poses": np.zeros((frames, 9)), "trans": np.zeros((frames, 3)), "betas": np.zeros(2)}
    return arrays | {"mocap_framerate": 120.0, "gender": "neutral"} | changes


def test_an_amass_folder_is_read_with_a_body_model(tmp_path, model_file):
    folder = tmp_path / "CMU" / "01"
    folder.mkdir(parents=True)
    np.savez(folder / "01_01_poses.npz", **amass())
    np.savez(folder / "shape.npz", betas=np.zeros(2))
    (sequence,) = load(tmp_path / "CMU", 50.0, model_file())
    assert sequence.name == "01/01_01_poses"
    assert sequence.joints.shape == (51, 17, 3)
    assert sequence.joints[0, [3, 6], 2].min() == pytest.approx(0.08)


def test_amass_without_a_body_model_says_what_is_missing(tmp_path):
    np.savez(tmp_path / "01_01_poses.npz", **amass())
    with pytest.raises(ValueError, match=r"01_01_poses\.npz.*--body-model.*SMPL"):
        load(tmp_path / "01_01_poses.npz", 50.0)


@pytest.mark.parametrize(
    ("changes", "array"),
    [
        ({"poses": np.zeros((121, 10))}, "'poses'"),
        ({"trans": np.zeros((120, 3))}, "'trans'"),
        ({"trans": np.full((121, 3), np.nan)}, "'trans'"),
        ({"mocap_framerate": 0.0}, "'mocap_framerate'"),
        ({"betas": np.array(["a"])}, "'betas'"),
    ],
)
def test_a_broken_amass_file_is_refused_by_name(tmp_path, model_file, changes, array):
    np.savez(tmp_path / "take_poses.npz", **amass(**changes))
    with pytest.raises(ValueError, match=rf"take_poses\.npz.*{array}"):
        load(tmp_path / "take_poses.npz", 50.0, model_file())


@pytest.mark.parametrize(
    ("changes", "array"),
    [
        ({"weights": np.zeros((16, 3))}, "'weights'"),
        ({"posedirs": np.zeros((17, 3, 17))}, "'posedirs'"),
        ({"kintree_table": np.array([[0, 2, 1], [0, 1, 2]])}, "'kintree_table'"),
        ({"J_regressor_h36m": np.zeros((16, 17))}, "'J_regressor_h36m'"),
    ],
)
def test_a_body_model_that_does_not_fit_is_refused_by_name(model_file, changes, array):
    with pytest.raises(ValueError, match=rf"body-model: .*model\.npz.*{array}"):
        BodyModel(model_file(**changes))


def test_a_body_model_without_the_joint_regressor_is_refused(tmp_path):
    arrays = body_model()
    del arrays["J_regressor_h36m"]
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(ValueError, match="'J_regressor_h36m'"):
        BodyModel(tmp_path / "model.npz")
