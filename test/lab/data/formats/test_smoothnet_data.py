"""SmoothNet's release: sequences of every representation, views together, and files that do not fit."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support import paper_data

from uplift_ros.lab.data.formats.smoothnet_data import from_6d, load_release, to_6d


@pytest.mark.parametrize(
    ("name", "joints", "coordinates"),
    [("h36m_fcn_3D", 17, 3), ("pw3d_spin_3D", 14, 3), ("h36m_cpn_2D", 17, 2), ("jhmdb_simplepose_2D", 15, 2)],
)
def test_sequences_are_read_as_the_network_has_them(tmp_path, name, joints, coordinates):
    data = load_release(paper_data.write_release(tmp_path, name), "test")
    assert (data.joints, data.coordinates) == (joints, coordinates)
    assert [sequence.true.shape for sequence in data.sequences] == [
        (1, frames, joints * coordinates) for frames in (20, 14)
    ]


def test_2d_poses_are_in_the_papers_units(tmp_path):
    (human, _), (other, _) = (
        load_release(paper_data.write_release(tmp_path, name), "test").sequences
        for name in ("h36m_cpn_2D", "jhmdb_simplepose_2D")
    )
    pixels = 200 + 100 * paper_data.motion(0, 20)[..., [0, 2]]
    np.testing.assert_allclose(human.true.reshape(20, 17, 2), (pixels - 500) / 500)
    np.testing.assert_allclose(other.true.reshape(20, 15, 2), pixels[:, :15] / (320, 240) - 0.5)
    assert set(other.boxes) == {200}


def test_bodies_of_other_data_sets_have_the_papers_14_joints(tmp_path):
    """3DPW's files have 17 joints in the order of SPIN's regressor."""
    data = load_release(paper_data.write_release(tmp_path, "pw3d_spin_3D"), "test")
    world = paper_data.motion(0, 20)
    expected = (world - world[:, :1])[:, paper_data.TO_14]
    np.testing.assert_allclose(data.sequences[0].true.reshape(20, 14, 3), expected, atol=1e-6)


def test_without_a_true_shape_the_body_is_the_mean(tmp_path):
    (first, _) = load_release(paper_data.write_release(tmp_path, "aist_spin_smpl"), "test").sequences
    estimated, true = first.shapes
    assert (set(estimated.ravel()), set(true.ravel()), true.shape) == ({0.1}, {0.0}, (1, 20, 10))


def test_rotations_are_two_columns_row_by_row_and_come_back():
    vectors = np.random.default_rng(0).normal(0, 1, (4, 24, 3))
    values = to_6d(vectors)
    matrix = Rotation.from_rotvec(vectors[0, 0]).as_matrix()
    np.testing.assert_allclose(values[0, 0], [matrix[0, 0], matrix[0, 1], *matrix[1, :2], *matrix[2, :2]])
    turned = Rotation.from_rotvec(from_6d(values).reshape(-1, 3)).inv() * Rotation.from_rotvec(vectors.reshape(-1, 3))
    assert turned.magnitude().max() < 1e-6
    assert np.isfinite(from_6d(1.1 * values + 0.01)).all()


def test_views_of_the_same_time_are_cropped_and_combined(tmp_path):
    data = load_release(paper_data.write_release(tmp_path, "h36m_fcn_3D", cameras=4), "train", several_views=True)
    assert [sequence.true.shape for sequence in data.sequences] == [(4, 20, 51), (4, 14, 51)]


def test_files_of_other_forms_are_refused(tmp_path):
    folder = paper_data.write_release(tmp_path, "h36m_fcn_3D")
    with pytest.raises(ValueError, match=r"h36m.*_val\.npz"):
        load_release(folder, "val")
    detected = folder / "detected" / "h36m_fcn_3D_test.npz"
    np.savez(detected, imgname=paper_data.objects([["a"]] * 2), joints_2d=np.zeros((2, 5, 34)))
    with pytest.raises(ValueError, match="joints_3d"):
        load_release(folder, "test")
    np.savez(detected, imgname=paper_data.objects([["a"]] * 2), joints_3d=np.zeros((2, 5, 51)))
    with pytest.raises(ValueError, match="array 'joints_3d'"):
        load_release(folder, "test")
    np.savez(detected, imgname=paper_data.objects([["a"]] * 2), joints_3d=np.full((2, 5, 51), "x"))
    with pytest.raises(ValueError, match="sequence 0"):
        load_release(folder, "test")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"joints_3d": paper_data.objects([np.zeros((20, 50)), np.zeros((14, 51))])}, r"sequence 0: .*\(20, 50\)"),
        ({"joints_3d": paper_data.objects([np.zeros((20, 42)), np.zeros((14, 51))])}, r"\(20, 42\), \(20, 51\)"),
        ({"joints_3d": paper_data.objects([np.zeros((20, 51))])}, r"got \(1, 2\)"),
        ({"joints_3d": paper_data.objects([np.full((20, 51), np.nan)] * 2)}, r"sequence 0, \(20, 51\): must be finite"),
        ({"joints_3d": np.array({"S9": {}}, object)}, "sequence 0: expected numbers"),
        ({"imgname": paper_data.objects([["a"]])}, r"'imgname': expected 2 sequences, got \(1,\)"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_array_and_shape(tmp_path, arrays, message):
    folder = paper_data.write_release(tmp_path, "h36m_fcn_3D")
    path = folder / "detected" / "h36m_fcn_3D_test.npz"
    with np.load(path, allow_pickle=True) as file:
        content = dict(file)
    np.savez(path, **content | arrays)
    with pytest.raises(ValueError, match=message):
        load_release(folder, "test")
