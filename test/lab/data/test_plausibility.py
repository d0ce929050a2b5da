"""Motion capture in another unit, order of joints, with other axes or gaps: corrected if certain, else refused."""

import numpy as np
import pytest
from support.bvh_takes import bvh
from support.paper_data import motion

from uplift_ros.lab.data import plausibility
from uplift_ros.lab.data.formats import load
from uplift_ros.skeleton import H36M17


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    """(60, 17, 3) metres, z up."""
    return motion(0, 60)


def loaded(folder, **sequences):
    np.savez(folder / "data.npz", fps=50.0, **sequences)
    return load(folder / "data.npz", 50.0)


@pytest.mark.parametrize(
    ("metres", "unit"), [(0.001, "millimetres"), (0.01, "centimetres"), (0.0254, "inches"), (0.3048, "feet")]
)
@pytest.mark.parametrize("relative", [True, False])
def test_bodies_in_another_unit_are_refused_with_the_unit_that_would_fit(tmp_path, walk, metres, unit, relative):
    joints = (walk - walk[:, :1] if relative else walk) / metres
    with pytest.raises(ValueError, match=rf"array 'a': .*{unit}"):
        loaded(tmp_path, a=joints)


@pytest.mark.parametrize("height", [0.75, 1.9])
def test_children_and_tall_people_are_no_other_unit(tmp_path, walk, height):
    (sequence,) = loaded(tmp_path, a=walk * height / 1.72)
    np.testing.assert_allclose(sequence.joints, walk * height / 1.72, atol=1e-6)


@pytest.mark.parametrize("axis", sorted(plausibility.TO_Z_UP))
def test_another_axis_that_points_up_is_turned_to_z(tmp_path, walk, axis, capsys):
    turn = np.array(plausibility.TO_Z_UP[axis])
    assert np.linalg.det(turn) == pytest.approx(1)
    (sequence,) = loaded(tmp_path, a=walk @ turn)  # the inverse of a rotation from the left
    np.testing.assert_allclose(sequence.joints, walk, atol=1e-6)
    assert ("points up, turned to z" in capsys.readouterr().err) == (axis != "z")


def test_a_person_who_lies_in_one_sequence_of_a_file_is_left_lying_and_reported(tmp_path, walk, capsys):
    lying = walk[:20] @ np.array(plausibility.TO_Z_UP["y"]).T
    standing, lies = loaded(tmp_path, a=walk, b=lying)
    np.testing.assert_allclose(standing.joints, walk, atol=1e-6)
    np.testing.assert_allclose(lies.joints, lying, atol=1e-6)
    assert "array 'b': the person lies, or -y points up" in capsys.readouterr().err


@pytest.mark.parametrize("others", [1, 3])
@pytest.mark.parametrize("axis", ["y", "-y", "x"])
def test_sequences_of_other_axes_in_a_file_are_turned_each(tmp_path, walk, axis, others, capsys):
    turn = np.array(plausibility.TO_Z_UP[axis])
    walk = walk + np.linspace((0, 0, 0), (1.0, 0.5, 0), len(walk))[:, None]  # over the ground
    sequences = loaded(tmp_path, a=walk, **{f"b{i}": walk @ turn for i in range(others)})
    for sequence in sequences:
        np.testing.assert_allclose(sequence.joints, walk, atol=1e-6)
    assert capsys.readouterr().err.count(f"the {axis} axis points up, turned to z") == others


@pytest.mark.parametrize("lost", [0.0, np.nan])
def test_gaps_are_cut_out_and_counted(tmp_path, walk, lost, capsys):
    joints = walk.copy()
    joints[20:30] = lost
    joints[45, 3] = lost  # one joint
    parts = loaded(tmp_path, walk=joints)
    assert [(part.name, len(part.joints)) for part in parts] == [("walk", 20), ("walk#2", 15), ("walk#3", 14)]
    np.testing.assert_allclose(parts[1].joints, walk[30:45], atol=1e-6)
    assert "'walk': 11 of 60 frames without a person cut out" in capsys.readouterr().err


@pytest.mark.parametrize("lost", [-1.0, 9999.0, "all joints at the pelvis"])
def test_gaps_filled_with_other_values_are_cut_out(tmp_path, walk, lost):
    joints = walk.copy()
    joints[20:30] = lost if isinstance(lost, float) else joints[20:30, :1]
    before, after = loaded(tmp_path, walk=joints)
    np.testing.assert_allclose(before.joints, walk[:20], atol=1e-6)
    np.testing.assert_allclose(after.joints, walk[30:], atol=1e-6)


def test_a_sequence_is_cut_where_the_person_jumps_through_the_room(tmp_path, walk, capsys):
    joints = walk.copy()
    joints[25:] += (5.0, 0, 0)  # two takes in one array
    joints[40] += (0, 0, 2.0)  # one frame at another place
    parts = loaded(tmp_path, walk=joints)
    assert [(part.name, len(part.joints)) for part in parts] == [("walk", 25), ("walk#2", 15), ("walk#3", 19)]
    np.testing.assert_allclose(parts[1].joints, joints[25:40], atol=1e-6)
    report = capsys.readouterr().err
    assert "'walk': cut at 3 jumps of the person" in report
    assert "'walk': 1 of 60 frames without a person cut out" in report


def test_a_root_at_the_origin_is_no_gap(tmp_path, walk):
    (sequence,) = loaded(tmp_path, a=walk - walk[:, :1])
    assert len(sequence.joints) == 60


def test_an_array_of_gaps_alone_is_refused(tmp_path):
    with pytest.raises(ValueError, match="array 'a'"):
        loaded(tmp_path, a=np.zeros((9, 17, 3)))


COCO = (0, 9, 9, 9, 9, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3)
MPI_INF_3DHP = (10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9)
LEFT_FIRST = tuple(H36M17.flip)
ARMS_EXCHANGED = (*range(11), 14, 15, 16, 11, 12, 13)


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        (COCO, "in the order of h36m17"),
        (MPI_INF_3DHP, "in the order of h36m17"),
        (LEFT_FIRST, "left and right"),
        (ARMS_EXCHANGED, "left and right"),
    ],
)
def test_joints_in_another_order_are_refused(tmp_path, walk, order, complaint):
    with pytest.raises(ValueError, match=f"array 'a': .*{complaint}"):
        loaded(tmp_path, a=walk[:, list(order)])


def test_left_handed_axes_are_refused(tmp_path, walk):
    with pytest.raises(ValueError, match="left-handed"):
        loaded(tmp_path, a=walk * (1, -1, 1))


# ---------------------------------------------------------------- BVH


def z_up(text: str) -> str:
    """The same take with z up: offsets and positions (x, y, z) become (x, -z, y), angles those about the new axes."""
    lines = []
    hierarchy, motion = text.split("MOTION")
    for line in hierarchy.splitlines():
        if line.startswith("OFFSET"):
            x, y, z = map(float, line.split()[1:])
            line = f"OFFSET {x} {-z} {y}"
        lines.append(line)
    header, _, values = motion.partition("0.02\n")
    rows = []
    for row in values.splitlines():
        x, y, z, *angles = map(float, row.split())
        rows.append(" ".join(map(str, [x, -z, y, *angles])))
    return "\n".join(lines) + f"\nMOTION{header}0.02\n" + "\n".join(rows) + "\n"


def take(folder, text: str, name: str = "take.bvh"):
    (folder / name).write_text(text)
    (sequence,) = load(folder / name, 50.0)
    return sequence.joints


def test_a_bvh_take_with_z_up_stands_as_with_y_up(tmp_path):
    np.testing.assert_allclose(take(tmp_path, z_up(bvh())), take(tmp_path, bvh()), atol=1e-5)


def test_a_person_who_lies_in_a_bvh_take_is_left_lying(tmp_path):
    lying = take(tmp_path, bvh(root=(0, 0, 90)))
    assert np.ptp(lying[..., 2]) < 0.7


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title])
def test_keywords_of_bvh_may_be_in_upper_or_lower_case(tmp_path, spell):
    text = bvh()
    for word in ("HIERARCHY", "ROOT", "JOINT", "End Site", "OFFSET", "CHANNELS", "MOTION", "Frames:", "Frame Time:"):
        text = text.replace(word, spell(word))
    np.testing.assert_allclose(take(tmp_path, text), take(tmp_path, bvh()))


def test_a_byte_order_mark_before_bvh_is_ignored(tmp_path):
    np.testing.assert_allclose(take(tmp_path, "\ufeff" + bvh()), take(tmp_path, bvh()))


def test_end_sites_do_not_move_their_joints(tmp_path):
    far = bvh().replace("End Site {\nOFFSET 0 0 0", "END SITE {\nOFFSET 0 99 0")
    np.testing.assert_allclose(take(tmp_path, far), take(tmp_path, bvh()))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("End Site", "End Effector", "Effector"), ("OFFSET", "SCALE 1 1 1\nOFFSET", "SCALE"), ("JOINT", "BONE", "BONE")],
)
def test_unknown_blocks_of_bvh_are_refused_by_name(tmp_path, old, new, named):
    with pytest.raises(ValueError, match=rf"take\.bvh: HIERARCHY: .*{named}"):
        take(tmp_path, bvh().replace(old, new, 1))


@pytest.mark.parametrize("suffix", [".BVH", ".Bvh"])
def test_suffixes_in_capitals_are_read(tmp_path, suffix):
    (tmp_path / f"b{suffix}").write_text(bvh())
    (tmp_path / "a.bvh").write_text(bvh())
    assert [sequence.name for sequence in load(tmp_path, 50.0)] == ["a", "b"]
    assert len(load(tmp_path / f"b{suffix}", 50.0)) == 1
