"""Human3.6M (Ionescu et al. 2014) in two files of VideoPose3D, and its cameras in a file that the user has.

`data_3d_h36m.npz` holds joints in the world, `data_2d_h36m_*.npz` a detector's joints in the images of four cameras.
Neither holds the extrinsics and intrinsics of the cameras.
"""

import ast
import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.camera import Camera
from uplift_ros.lab.data import mocap
from uplift_ros.lab.data.archive import require
from uplift_ros.lab.data.formats.amass_joints import is_amass_joints
from uplift_ros.lab.data.object_arrays import array_names, load_objects
from uplift_ros.lab.data.takes import Take
from uplift_ros.sources.synthetic.viewpoint import Viewpoint

TRAINING_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
HEIGHTS = (1002, 1000, 1000, 1002)
"""Pixels of the images of each camera, which are 1000 wide."""

MAX_OFFSET_PIXELS = 30.0
"""Median distance between projected truth and 2D poses; detectors and ground truth are far below."""

FIT_3D = "give --data data_3d_h36m.npz of VideoPose3D"
FIT_2D = "give --keypoints data_2d_h36m_cpn_ft_h36m_dbb.npz, VideoPose3D's 2D file of 17 joints"
FIT_CAMERAS = "give --calibration metadata.xml of Human3.6M, camera-parameters.json, or VideoPose3D's h36m_dataset.py"


def load_cameras(path: Path) -> dict[tuple[str, int], Viewpoint]:
    """The cameras by subject (7) and index of the camera (4), with distortion k1, k2, p1, p2, k3.

    Args:
        path: one of three files. `metadata.xml` of the dataset has 300 numbers in the element w0: for each camera six
            extrinsic ones, Euler angles and millimetres, for each of 11 subjects, then nine intrinsic ones for each
            camera. A JSON file has `intrinsics` and `extrinsics` by serial number of the camera, with
            x_camera = R x + t in millimetres. The source file `h36m_dataset.py` of VideoPose3D has tables, which are
            read without running it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format.
    """
    if not path.is_file():
        raise FileNotFoundError(f"calibration: no file {path}")
    text = path.read_text(errors="replace")
    try:
        read = _from_source if path.suffix == ".py" else _from_json if path.suffix == ".json" else _from_metadata
        return dict(read(text))
    except (ValueError, KeyError, TypeError, IndexError, SyntaxError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise ValueError(f"calibration: {path} is not of Human3.6M's cameras ({reason}); {FIT_CAMERAS}") from error


def _from_metadata(text: str) -> Iterator[tuple[tuple[str, int], Viewpoint]]:
    found = re.search(r"<w0>\s*\[([^\]]*)\]", text)
    numbers = np.array(found[1].replace(",", " ").split(), float) if found else np.empty(0)
    if len(numbers) != 300:
        raise ValueError(f"element w0 must hold 300 numbers, got {len(numbers)}")
    extrinsics, intrinsics = numbers[:264].reshape(4, 11, 6), numbers[264:].reshape(4, 9)
    for index, (fx, fy, cx, cy, k1, k2, k3, p1, p2) in enumerate(intrinsics):
        camera = Camera(fx, fy, cx, cy, 1000, HEIGHTS[index], (k1, k2, p1, p2, k3))
        for subject in TRAINING_SUBJECTS + TEST_SUBJECTS:
            values = extrinsics[index, int(subject[1:]) - 1]
            rotation = Rotation.from_euler("XYZ", values[:3]).as_matrix()  # Rx Ry Rz
            yield (subject, index), Viewpoint(camera, rotation, values[3:] / 1000)


def _from_source(text: str) -> Iterator[tuple[tuple[str, int], Viewpoint]]:
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    tables = {ast.unparse(node.targets[0]): node.value for node in nodes}
    intrinsics, extrinsics = (
        ast.literal_eval(tables[f"h36m_cameras_{kind}_params"]) for kind in ("intrinsic", "extrinsic")
    )
    for index, inner in enumerate(intrinsics):
        (k1, k2, k3), (p2, p1) = inner["radial_distortion"], inner["tangential_distortion"]
        (fx, fy), (cx, cy) = inner["focal_length"], inner["center"]
        camera = Camera(fx, fy, cx, cy, 1000, HEIGHTS[index], (k1, k2, p1, p2, k3))
        for subject in TRAINING_SUBJECTS + TEST_SUBJECTS:
            outer = extrinsics[subject][index]
            rotation = Rotation.from_quat(np.roll(outer["orientation"], -1)).inv().as_matrix()
            yield (subject, index), Viewpoint(camera, rotation, np.array(outer["translation"], float) / 1000)


def _from_json(text: str) -> Iterator[tuple[tuple[str, int], Viewpoint]]:
    content = json.loads(text)
    for index, serial in enumerate(CAMERAS):
        inner = content["intrinsics"][serial]
        matrix, distortion = np.array(inner["calibration_matrix"], float), np.array(inner["distortion"], float)
        camera = Camera.from_matrix(matrix.ravel().tolist(), distortion.ravel().tolist(), 1000, HEIGHTS[index])
        for subject in TRAINING_SUBJECTS + TEST_SUBJECTS:
            outer = content["extrinsics"][subject][serial]
            rotation = np.array(outer["R"], float).reshape(3, 3)
            translation = np.array(outer["t"], float).reshape(3)
            yield (subject, index), Viewpoint(camera, rotation, -rotation.T @ translation / 1000)


def world_sequences(content: object, path: Path, subjects: Collection[str] = ()) -> list[mocap.Sequence]:
    """Joints in the world, z up, 50 Hz, named subject/action/take.

    Args:
        content: of the array `positions_3d` of the file `path`.
        path: named in errors.
        subjects: to select; all if none is given.

    Raises:
        ValueError: not VideoPose3D's form, or a subject that it does not have.
    """
    where = f"data: {path}, array 'positions_3d'"
    if not isinstance(content, dict) or not all(isinstance(actions, dict) for actions in content.values()):
        raise ValueError(f"{where}: expected subjects with their actions, got {_received(content)}; {FIT_3D}")
    sequences = []
    for subject in subjects or content:
        if subject not in content:
            raise ValueError(f"{where}: has no subject {subject}, only {', '.join(content)}; choose with --subjects")
        for action, joints in content[subject].items():
            name = f"{subject}/{action.split(' ')[0]}/{action}"
            joints = require(f"{where}, {subject}, {action}", joints, (None, 32, 3), (None, 17, 3), fits=FIT_3D)
            joints = joints[:, mocap.FROM_H36M32] if joints.shape[1] == 32 else joints
            sequences.append(mocap.Sequence(name, joints.astype(np.float32)))
    return sequences


def load_takes(data: Path, keypoints: Path, calibration: Path, subjects: Sequence[str]) -> list[Take]:
    """Every take of the subjects as each of the four cameras sees it, with the detector's 2D poses.

    Args:
        data, keypoints: the files of joints and of 2D poses.
        calibration: file of the cameras, see `load_cameras`.
        subjects: to select.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another form, or 2D poses that the calibration does not explain.
    """
    cameras = load_cameras(calibration)
    where = f"keypoints: {keypoints}, array 'positions_2d'"
    content = _positions(data, "positions_3d", "data", FIT_3D)
    detected = _positions(keypoints, "positions_2d", "keypoints", FIT_2D)
    if not isinstance(detected, dict):
        raise ValueError(f"{where}: expected subjects with their actions, got {_received(detected)}; {FIT_2D}")
    takes = []
    for sequence in world_sequences(content, data, subjects):
        subject, _, action = sequence.name.split("/")
        actions = detected.get(subject)
        views = actions.get(action) if isinstance(actions, dict) else None
        if not isinstance(views, list) or len(views) != len(CAMERAS):
            raise ValueError(
                f"{where}, {subject}, {action}: expected {len(CAMERAS)} cameras, got {_received(views)}; {FIT_2D}"
            )
        for index, pixels in enumerate(views):
            place = f"{where}, {subject}, {action}, camera {index}"
            pixels = require(place, pixels, (None, 17, 2), fits=FIT_2D)
            if len(pixels) < len(sequence.joints):
                raise ValueError(
                    f"{place}: expected at least {len(sequence.joints)} frames, got {len(pixels)}; {FIT_2D}"
                )
            view = cameras[subject, index]
            take = Take(sequence.name, view.to_optical(sequence.joints), pixels[: len(sequence.joints)], view.camera)
            _check(take, place)
            takes.append(take)
    return takes


def is_h36m(path: Path) -> bool:
    """Whether a file holds joints in VideoPose3D's form."""
    return "positions_3d" in array_names(path) and not is_amass_joints(load_objects(path, "positions_3d"))


def _positions(path: Path, name: str, what: str, fits: str) -> object:
    if path.is_file() and name not in (names := array_names(path)):
        raise ValueError(f"{what}: {path} has arrays {', '.join(names[:5]) or 'none'}, not {name!r}; {fits}")
    return load_objects(path, name, what)


def _received(content: object) -> str:
    """Describe a value for error messages."""
    if isinstance(content, np.ndarray):
        return f"an array of shape {content.shape}"
    return f"{len(content)}" if isinstance(content, list) else type(content).__name__


def _check(take: Take, place: str) -> None:
    """Reject cameras that do not match the 2D poses, since their errors would be attributed to the network."""
    offsets = np.linalg.norm(take.camera.project(take.truth[::50]) - take.pixels[::50], axis=-1)
    if not (median := float(np.median(offsets))) <= MAX_OFFSET_PIXELS:
        raise ValueError(
            f"{place}: the median distance to the projected truth must be at most {MAX_OFFSET_PIXELS:.0f} pixels, got "
            f"{median:.0f}; {FIT_CAMERAS}"
        )
