"""Motion capture of every format comes in as h36m17, metres, z up, at the networks' rate; broken files are refused."""

import zipfile

import numpy as np
import pytest

from uplift_ros.skeleton import H36M17
from uplift_ros.sources.motion import pose
from uplift_ros.training.formats import load
from uplift_ros.training.formats.amass import BodyModel
from uplift_ros.training.formats.bvh import load_bvh
from uplift_ros.training.mocap import CANONICAL_CHAIN, chain_length, load_npz, motion_class, resample

MOTIONBUILDER = {
    "root": "Hips", "spine": "Spine", "neck": "Neck", "head": "Head", "collar": "{}Shoulder", "shoulder": "{}Arm",
    "elbow": "{}ForeArm", "wrist": "{}Hand", "hip": "{}UpLeg", "knee": "{}Leg", "ankle": "{}Foot",
    "sides": ("Left", "Right"),
}  # fmt: skip
MIXAMO = {key: f"mixamorig:{value}" if key != "sides" else value for key, value in MOTIONBUILDER.items()}
MAX = MOTIONBUILDER | {
    "collar": "{}Collar", "shoulder": "{}UpArm", "elbow": "{}LowArm", "hip": "{}Hip", "knee": "{}Knee",
    "ankle": "{}Ankle",
}  # fmt: skip
DAZ = MOTIONBUILDER | {
    "root": "hip", "spine": "abdomen", "neck": "neck", "head": "head", "collar": "{}Collar", "shoulder": "{}Shldr",
    "elbow": "{}ForeArm", "wrist": "{}Hand", "hip": "{}Thigh", "knee": "{}Shin", "ankle": "{}Foot", "sides": ("l", "r"),
}  # fmt: skip
SMPL = MOTIONBUILDER | {
    "root": "pelvis", "spine": "spine1", "neck": "neck", "head": "head", "collar": "{}_collar",
    "shoulder": "{}_shoulder", "elbow": "{}_elbow", "wrist": "{}_wrist", "hip": "{}_hip", "knee": "{}_knee",
    "ankle": "{}_ankle", "sides": ("left", "right"),
}  # fmt: skip


def bvh(names=MOTIONBUILDER, frames=2, unit=100.0, frame_time=0.02, **angles):
    """A person in a T pose who faces BVH's z axis, the left side towards x.

    Args:
        unit: file units per metre.
        angles: (Zrotation, Yrotation, Xrotation) of joints, degrees, by name; `root_position` in metres.
    """
    columns = []

    def joint(kind, offset, side="", children=()):
        name = names[kind].format(side)
        position = angles.get("root_position", (0.0, 0.9, 0.0))
        channels = "CHANNELS 3 Zrotation Yrotation Xrotation"
        if kind == "root":
            columns.extend(value * unit for value in position)
            channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"
        columns.extend(angles.get(f"{kind}{'_left' * (side == names['sides'][0])}", (0, 0, 0)))
        inside = "".join(child() for child in children) or "End Site {\nOFFSET 0 0 0\n}\n"
        x, y, z = (unit * value for value in offset)
        return f"{'ROOT' if kind == 'root' else 'JOINT'} {name}\n{{\nOFFSET {x} {y} {z}\n{channels}\n{inside}}}\n"

    def chain(side, sign, *links):
        (kind, offset), *rest = links
        mirrored = (sign * offset[0], *offset[1:])
        return joint(kind, mirrored, side, [lambda: chain(side, sign, *rest)] if rest else [])

    leg = (("hip", (0.09, 0, 0)), ("knee", (0, -0.42, 0)), ("ankle", (0, -0.40, 0)))
    arm = (
        ("collar", (0.02, 0.20, 0)), ("shoulder", (0.13, 0, 0)), ("elbow", (0.28, 0, 0)), ("wrist", (0.24, 0, 0))
    )  # fmt: skip
    left, right = names["sides"]
    trunk = [
        lambda: joint("neck", (0, 0.24, 0), children=[lambda: joint("head", (0, 0.12, 0))]),
        lambda: chain(left, 1, *arm),
        lambda: chain(right, -1, *arm),
    ]
    hierarchy = joint(
        "root",
        (0, 0, 0),
        children=[
            lambda: joint("spine", (0, 0.24, 0), children=trunk),
            lambda: chain(left, 1, *leg),
            lambda: chain(right, -1, *leg),
        ],
    )
    row = " ".join(map(str, columns))
    motion = "\n".join([row] * frames)
    return f"HIERARCHY\n{hierarchy}MOTION\nFrames: {frames}\nFrame Time: {frame_time}\n{motion}\n"


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
    np.testing.assert_allclose(chain_length(sequence.joints), CANONICAL_CHAIN, rtol=1e-5)


@pytest.mark.parametrize("names", [MIXAMO, MAX, DAZ, SMPL], ids=["mixamo", "3dsmax", "daz", "smpl"])
def test_other_naming_conventions_give_the_same_joints(bvh_file, names):
    (expected,) = load(bvh_file(), 50.0)
    (sequence,) = load(bvh_file(names=names), 50.0)
    np.testing.assert_allclose(sequence.joints, expected.joints, atol=1e-6)


def test_bvh_angles_turn_in_the_order_of_their_columns(bvh_file):
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
        ("Head\n", "Top\n", "no joint for the head"),
        ("Frames: 2", "Frames: 3", "MOTION must have 3 frames"),
        ("Frames: 2", "Frames: -2", "'Frames:' must be a positive number, got '-2'"),
        ("Frame Time: 0.02", "Frame Time: 0", "'Frame Time:' must be 0.0001 to 1 s, got 0"),
        ("Frame Time: 0.02", "Frame Time: nan", "'Frame Time:' must be finite"),
        ("90.0", "inf", "MOTION must be finite"),
        ("90.0", "x", "MOTION must be numbers"),
        ("CHANNELS 6", "CHANNELS 99", "CHANNELS must be 0 to 6, got '99'"),
        ("Zrotation", "Wrotation", "Xposition or Zrotation, got 'Wrotation'"),
        ("MOTION", "NOTHING", "no MOTION"),
        ("ROOT", "JOINT", "outside of the ROOT"),
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


# ---------------------------------------------------------------- AMASS


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

LEFT_LEG_FIRST = [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]


def test_a_body_at_rest_is_the_template_with_right_and_left_in_our_order(model_file):
    joints = BodyModel(model_file()).h36m17(*STILL)
    np.testing.assert_allclose(joints[0, :, 0], 0.5 + np.array(LEFT_LEG_FIRST))
    np.testing.assert_allclose(joints[0, :, 1:], 0)


def test_a_turned_joint_carries_its_children_along(model_file):
    poses = np.zeros((1, 9))
    poses[0, 3:6] = (0, 0, np.pi / 2)  # the joint at x = 1 turns what follows towards y
    joints = BodyModel(model_file()).h36m17(poses, *STILL[1:])
    np.testing.assert_allclose(joints[0, 0], (0.5, 0, 0), atol=1e-12)
    np.testing.assert_allclose(joints[0, LEFT_LEG_FIRST.index(1)], (1, 0.5, 0), atol=1e-12)
    np.testing.assert_allclose(joints[0, LEFT_LEG_FIRST.index(5)], (1, 4.5, 0), atol=1e-12)


def test_turns_add_up_along_the_chain(model_file):
    poses = np.zeros((1, 9))
    poses[0, 3:6] = poses[0, 6:9] = (0, 0, np.pi / 2)
    joints = BodyModel(model_file()).h36m17(poses, *STILL[1:])
    np.testing.assert_allclose(joints[0, LEFT_LEG_FIRST.index(3)], (-0.5, 1, 0), atol=1e-12)


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
    ("changes", "message"),
    [
        ({"poses": np.zeros((121, 10))}, r"'poses': expected \(T, 9\), got \(121, 10\)"),
        ({"trans": np.zeros((120, 3))}, r"'trans': expected \(121, 3\), got \(120, 3\)"),
        ({"trans": np.full((121, 3), np.nan)}, "'trans' must be finite"),
        ({"mocap_framerate": 0.0}, "'mocap_framerate': must be 1 to 1000, got 0"),
        ({"betas": np.array(["a"])}, "'betas': must be numbers"),
    ],
)
def test_a_broken_amass_file_is_refused_by_name(tmp_path, model_file, changes, message):
    np.savez(tmp_path / "take_poses.npz", **amass(**changes))
    with pytest.raises(ValueError, match=rf"take_poses\.npz.*{message}"):
        load(tmp_path / "take_poses.npz", 50.0, model_file())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.zeros((16, 3))}, r"'weights': expected \(17, T\), got \(16, 3\)"),
        ({"posedirs": np.zeros((17, 3, 17))}, r"'posedirs': expected \(17, 3, 18\)"),
        ({"kintree_table": np.array([[0, 2, 1], [0, 1, 2]])}, "'kintree_table': parents must come before"),
        ({"J_regressor_h36m": np.zeros((16, 17))}, r"'J_regressor_h36m': expected \(17, 17\)"),
    ],
)
def test_a_body_model_that_does_not_fit_is_refused_by_name(model_file, changes, message):
    with pytest.raises(ValueError, match=rf"body-model: .*model\.npz.*{message}"):
        BodyModel(model_file(**changes))


def test_a_body_model_without_the_joint_regressor_is_refused(tmp_path):
    arrays = body_model()
    del arrays["J_regressor_h36m"]
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(ValueError, match="has no array 'J_regressor_h36m'"):
        BodyModel(tmp_path / "model.npz")


# ---------------------------------------------------------------- npz


def test_human36ms_own_joints_become_the_17(tmp_path):
    joints = np.zeros((3, 32, 3))
    joints[:, :, 0] = np.arange(32)
    np.savez(tmp_path / "h36m.npz", fps=50, **{"S1/Walking/Walking 1": joints})
    (sequence,) = load(tmp_path / "h36m.npz", 50.0)
    assert sequence.joints[0, :, 0].tolist() == [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    assert motion_class(sequence.name) == "Walking"


def test_videopose3ds_pickle_is_refused_with_the_way_out(tmp_path):
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.array({"S1": {"Walking": np.zeros((3, 32, 3))}}))
    with pytest.raises(ValueError, match=r"positions_3d.*pickle.*TRAINING\.md"):
        load(tmp_path / "data_3d_h36m.npz", 50.0)


def test_an_array_in_millimetres_is_refused(tmp_path):
    np.savez(tmp_path / "mm.npz", fps=50, walk=np.full((3, 17, 3), 1500.0))
    with pytest.raises(ValueError, match="'walk': must be metres, at most 1000, got 1500"):
        load(tmp_path / "mm.npz", 50.0)


@pytest.mark.parametrize(("fps", "frames"), [(100.0, 51), (30.0, 167), (50.0, 101)])
def test_resampling_keeps_times_and_linear_motion(fps, frames):
    ramp = np.broadcast_to(np.arange(101)[:, None, None] / fps, (101, 17, 3)).astype(np.float32)
    at_50 = resample(ramp, fps, 50.0)
    assert len(at_50) == frames
    np.testing.assert_allclose(at_50[:, 0, 0], np.arange(frames) / 50, atol=1e-5)


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "absurd.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 17, 3), }"
    header = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("walk.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    np.savez(tmp_path / "fps.npz", fps=50)
    with zipfile.ZipFile(path, "a") as archive, zipfile.ZipFile(tmp_path / "fps.npz") as source:
        archive.writestr("fps.npy", source.read("fps.npy"))
    with pytest.raises(ValueError, match="'walk': claims 408000000000000 bytes"):
        load_npz(path)


@pytest.mark.parametrize("kind", ["npz", "bvh"])
def test_damaged_files_give_value_errors_and_nothing_else(tmp_path, kind):
    path = tmp_path / f"take.{kind}"
    if kind == "npz":
        np.savez_compressed(path, fps=50.0, walk=np.stack([pose(frame / 50) for frame in range(20)]))
    else:
        path.write_text(bvh())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(len(whole), size=rng.integers(1, 8)):
            damaged[at] = rng.integers(256)
        path.write_bytes(bytes(damaged[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.5 else damaged))
        try:
            load(path, 50.0)
        except ValueError:
            refused += 1
    assert refused > 100


def test_what_is_no_motion_capture_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere.npz", 50.0)
    with pytest.raises(ValueError, match=r"folder .* must hold \.bvh"):
        load(tmp_path, 50.0)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"a\.txt must be \.npz or \.bvh"):
        load(tmp_path / "a.txt", 50.0)
