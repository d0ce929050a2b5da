"""BVH is loaded as h36m17, metres, z up, at the networks' rate; broken files are refused."""

import numpy as np
import pytest
from support.bvh_takes import CONVENTIONS, bvh

from uplift_ros.lab.data.formats import load
from uplift_ros.lab.data.formats.bvh import load_bvh
from uplift_ros.lab.data.mocap import MOCAP_CHAIN, chain_length, motion_class
from uplift_ros.skeleton import H36M17


@pytest.fixture
def bvh_file(tmp_path):
    def write(**arguments):
        path = tmp_path / "take.bvh"
        path.write_text(bvh(**arguments))
        return path

    return write


def joint(joints, name):
    return joints[0, H36M17.index(name)]


def test_a_bvh_file_becomes_an_upright_person_on_the_ground(bvh_file):
    (sequence,) = load(bvh_file(), 50.0)
    assert sequence.joints.shape == (2, 17, 3)
    assert joint(sequence.joints, "left_ankle")[2] == pytest.approx(0.08, abs=1e-6)
    np.testing.assert_allclose(joint(sequence.joints, "pelvis")[:2], 0, atol=1e-6)
    assert joint(sequence.joints, "head")[2] > joint(sequence.joints, "thorax")[2] > 1.2
    assert joint(sequence.joints, "left_wrist")[0] > 0.5 > -0.5 > joint(sequence.joints, "right_wrist")[0]
    assert joint(sequence.joints, "nose")[1] < -0.05  # BVH's z axis, where the person looks, is our -y


@pytest.mark.parametrize("unit", [1.0, 100.0, 17.7])
def test_a_bvh_body_has_canonical_stature_whatever_the_files_unit(bvh_file, unit):
    (sequence,) = load(bvh_file(unit=unit), 50.0)
    np.testing.assert_allclose(chain_length(sequence.joints), MOCAP_CHAIN, rtol=1e-5)


@pytest.mark.parametrize("names", CONVENTIONS.values(), ids=CONVENTIONS)
def test_other_naming_conventions_give_the_same_joints(bvh_file, names):
    (expected,) = load(bvh_file(), 50.0)
    (sequence,) = load(bvh_file(names=names), 50.0)
    np.testing.assert_allclose(sequence.joints, expected.joints, atol=1e-6)


def test_bvh_rotations_are_applied_in_the_order_of_their_columns(bvh_file):
    """Z by 90 degrees lifts the left arm; X then turns about the axis that Z has turned, the arm's own: no change."""
    (lifted,) = load(bvh_file(shoulder_left=(90, 0, 0)), 50.0)
    (twisted,) = load(bvh_file(shoulder_left=(90, 0, 40)), 50.0)
    upper_arm = joint(lifted.joints, "left_elbow") - joint(lifted.joints, "left_shoulder")
    np.testing.assert_allclose(upper_arm / np.linalg.norm(upper_arm), (0, 0, 1), atol=1e-6)
    np.testing.assert_allclose(twisted.joints, lifted.joints, atol=1e-6)


def test_a_bvh_nose_follows_the_head(bvh_file, tmp_path):
    """Half of the take the head is turned by 60 degrees: the nose turns by as much."""
    straight, turned = bvh(frames=1), bvh(frames=1, head=(0, 60, 0))
    path = tmp_path / "turning.bvh"
    rows = [text.strip().splitlines()[-1] for text in (straight, turned)]
    path.write_text(straight.replace("Frames: 1", "Frames: 2").replace(rows[0], "\n".join(rows)))
    (sequence,) = load(path, 50.0)
    noses = sequence.joints[:, 9, :2] - sequence.joints[:, 8, :2]
    cosine = noses[0] @ noses[1] / np.linalg.norm(noses[0]) / np.linalg.norm(noses[1])
    assert np.degrees(np.arccos(cosine)) == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("lost", ["0", "nan", "-inf"])
def test_frames_in_which_the_person_was_lost_are_cut_out(bvh_file, capsys, lost):
    path = bvh_file(frames=9)
    (whole,) = load(path, 50.0)
    lines = path.read_text().rstrip().splitlines()
    for row in (4, 6):  # the frame between them is no motion
        lines[-9 + row] = " ".join([lost] * len(lines[-1].split()))
    path.write_text("\n".join(lines))
    sequences = load(path, 50.0)
    assert [(sequence.name, len(sequence.joints)) for sequence in sequences] == [("take", 4), ("take#2", 2)]
    for sequence in sequences:
        np.testing.assert_allclose(sequence.joints, whole.joints[: len(sequence.joints)], atol=1e-6)
    assert "take.bvh: 3 of 9 frames without a person cut out" in capsys.readouterr().err


def test_one_lost_number_loses_its_frame_only(bvh_file):
    path = bvh_file(frames=4)
    head, _, last = path.read_text().rstrip().rpartition("\n")
    path.write_text(f"{head}\n{last.replace(' ', ' nan ', 1).rsplit(' ', 1)[0]}\n")
    (sequence,) = load(path, 50.0)
    assert len(sequence.joints) == 3


def test_bvh_takes_are_resampled(bvh_file):
    (sequence,) = load(bvh_file(frames=121, frame_time=1 / 120), 50.0)
    assert len(sequence.joints) == 51


def test_a_folder_of_bvh_files_is_named_after_its_folders(tmp_path):
    (tmp_path / "salsa").mkdir()
    (tmp_path / "salsa" / "60_01.bvh").write_text(bvh())
    (tmp_path / "walk.bvh").write_text(bvh())
    names = [sequence.name for sequence in load(tmp_path, 50.0)]
    assert names == ["salsa/60_01", "walk"]
    assert motion_class(names[0]) == "salsa"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("LeftForeArm", "Elbow", "left elbow.*leftforearm"),
        ("Head\n", "Top\n", "head"),
        ("Frames: 2", "Frames: 3", "MOTION"),
        ("Frames: 2", "Frames: -2", "'Frames:'"),
        ("Frame Time: 0.02", "Frame Time: 0", "'Frame Time:'"),
        ("Frame Time: 0.02", "Frame Time: nan", "'Frame Time:'"),
        ("90.0", "inf", "MOTION"),
        ("90.0", "x", "MOTION"),
        ("OFFSET 24.0 0.0 0.0", "OFFSET 1e308 0 0", "OFFSET"),
        ("OFFSET 24.0 0.0 0.0", "OFFSET 90 0 0", "other bones"),
        ("CHANNELS 6", "CHANNELS 99", "CHANNELS"),
        ("Zrotation", "Wrotation", "CHANNELS"),
        ("MOTION", "NOTHING", "MOTION"),
        ("ROOT", "JOINT", "outside of the ROOT"),
        ("MOTION", "}\nMOTION", "HIERARCHY"),
    ],
)
def test_a_broken_bvh_file_is_refused_by_name(tmp_path, before, after, message):
    path = tmp_path / "take.bvh"
    path.write_text(bvh().replace(before, after))
    with pytest.raises(ValueError, match=rf"take\.bvh.*{message}"):
        load(path, 50.0)


def test_a_bvh_file_that_is_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "take.bvh"
    text = bvh().rstrip()
    for length in range(0, len(text) - 4, 41):
        path.write_text(text[:length])
        with pytest.raises(ValueError, match=r"take\.bvh"):
            load_bvh(path, "take")


def test_a_bvh_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.bvh"):
        load_bvh(tmp_path / "gone.bvh", "gone")


def test_a_bvh_file_too_large_to_be_a_take_is_refused_unread(bvh_file, monkeypatch):
    path = bvh_file()
    monkeypatch.setattr("uplift_ros.lab.data.formats.bvh.MAX_FILE_BYTES", 100)
    with pytest.raises(ValueError, match=r"take\.bvh"):
        load_bvh(path, "take")
