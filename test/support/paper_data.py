"""Small files in the formats of the papers' data: a moving person, seen by four cameras."""

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.formats.h36m import CAMERAS, TEST_SUBJECTS, TRAINING_SUBJECTS, load_cameras
from uplift_ros.lab.data.mocap import FROM_H36M32
from uplift_ros.sources.synthetic.motion import pose

SUBJECTS = TRAINING_SUBJECTS + TEST_SUBJECTS
TO_REGRESSOR = [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]
"""SPIN's regressor has the left leg first."""

TO_14 = [3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10]


def motion(start: int, frames: int) -> np.ndarray:
    """(T, 17, 3) metres, z up."""
    return np.stack([pose((start + frame) / 50) for frame in range(frames)])


def objects(arrays: list) -> np.ndarray:
    """A one-dimensional array of objects."""
    packed = np.empty(len(arrays), object)
    packed[:] = arrays
    return packed


def h36m_cameras() -> tuple[np.ndarray, np.ndarray]:
    """Extrinsics (4, 11, 6), Euler angles and millimetres, of cameras around the origin; intrinsics (4, 9)."""
    extrinsics = np.zeros((4, 11, 6))
    for index in range(4):
        heading = index * np.pi / 2 + 0.3
        for subject in range(11):
            position = 5 * np.array([np.sin(heading), -np.cos(heading), 0.3]) + 0.01 * subject
            forward = np.array([0, 0, 1.0]) - position
            forward /= np.linalg.norm(forward)
            right = np.cross(forward, (0, 0, 1))
            right /= np.linalg.norm(right)
            rotation = np.stack([right, np.cross(forward, right), forward])
            extrinsics[index, subject, :3] = Rotation.from_matrix(rotation).as_euler("XYZ")
            extrinsics[index, subject, 3:] = 1000 * position
    intrinsics = np.tile([1145.0, 1144.0, 512.0, 515.0, -0.2, 0.24, -0.002, -0.001, -0.003], (4, 1))
    return extrinsics, intrinsics + np.arange(4)[:, None] * (1, 1, 1, 1, 0, 0, 0, 0, 0)


def write_metadata(path: Path, first: int = 0) -> Path:
    """metadata.xml, with another camera as the first."""
    numbers = np.concatenate([np.roll(part, -first, axis=0).ravel() for part in h36m_cameras()])
    path.write_text(f"<db><other>1</other><w0>[{' '.join(map(repr, numbers.tolist()))}]</w0></db>")
    return path


def write_parameters(path: Path) -> Path:
    """The same cameras as JSON."""
    extrinsics, intrinsics = h36m_cameras()
    content: dict = {"intrinsics": {}, "extrinsics": {subject: {} for subject in SUBJECTS}}
    for index, serial in enumerate(CAMERAS):
        fx, fy, cx, cy, k1, k2, k3, p1, p2 = intrinsics[index].tolist()
        matrix = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
        content["intrinsics"][serial] = {"calibration_matrix": matrix, "distortion": [k1, k2, p1, p2, k3]}
        for subject in SUBJECTS:
            values = extrinsics[index, int(subject[1:]) - 1]
            rotation = Rotation.from_euler("XYZ", values[:3]).as_matrix()
            translation = -rotation @ values[3:, None]
            content["extrinsics"][subject][serial] = {"R": rotation.tolist(), "t": translation.tolist()}
    path.write_text(json.dumps(content))
    return path


def write_source(path: Path) -> Path:
    """The same cameras as tables of a source file, which must not be run; two subjects have none."""
    extrinsics, intrinsics = h36m_cameras()
    inner = [
        {"center": [cx, cy], "focal_length": [fx, fy], "radial_distortion": k, "tangential_distortion": [p2, p1]}
        for fx, fy, cx, cy, *k, p1, p2 in intrinsics.tolist()
    ]
    outer: dict = {"S2": [{}, {}, {}, {}]}
    for subject in SUBJECTS:
        values = extrinsics[:, int(subject[1:]) - 1]
        turns = Rotation.from_euler("XYZ", values[:, :3]).inv().as_quat()[:, [3, 0, 1, 2]].tolist()
        places = values[:, 3:].tolist()
        outer[subject] = [{"orientation": q, "translation": t} for q, t in zip(turns, places, strict=True)]
    path.write_text(
        f"import missing\n\nh36m_cameras_intrinsic_params = {inner}\nh36m_cameras_extrinsic_params = {outer}\n"
        "\n\nclass Human36mDataset(missing.Dataset):\n    fps = missing.fps\n"
    )
    return path


def write_h36m(folder: Path, frames: int = 60, actions: tuple[str, ...] = ("Walking 1", "Walking", "Eating 1")) -> Path:
    """data_3d_h36m.npz, data_2d_h36m_cpn_ft_h36m_dbb.npz (three frames longer) and metadata.xml."""
    cameras = load_cameras(write_metadata(folder / "metadata.xml"))
    rng = np.random.default_rng(0)
    world: dict = {}
    seen: dict = {}
    for number, subject in enumerate(SUBJECTS):
        world[subject], seen[subject] = {}, {}
        for start, action in enumerate(actions):
            joints = motion(100 * start + 1000 * number, frames)
            full = np.zeros((frames, 32, 3), np.float32)
            full[:, list(FROM_H36M32)] = joints
            world[subject][action] = full
            views = [cameras[subject, index] for index in range(4)]
            pixels = [
                view.camera.project(view.to_optical(joints)) + rng.normal(0, 2, (frames, 17, 2)) for view in views
            ]
            seen[subject][action] = [np.pad(p, ((0, 3), (0, 0), (0, 0))).astype(np.float32) for p in pixels]
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4, 5], [1, 2]]}
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=world)
    np.savez_compressed(folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz", positions_2d=seen, metadata=metadata)
    return folder


def h36m_options(folder: Path) -> list[str]:
    names = ("data_3d_h36m.npz", "data_2d_h36m_cpn_ft_h36m_dbb.npz", "metadata.xml")
    options = ("--data", "--keypoints", "--calibration")
    return [part for option, name in zip(options, names, strict=True) for part in (option, str(folder / name))]


def write_amass_joints(folder: Path, frames: int = 80) -> Path:
    """CMU.npz and SFU.npz, joints in the order of the regressor, left leg first."""
    folder.mkdir(exist_ok=True)
    for number, dataset in enumerate(("CMU", "SFU")):
        joints = motion(500 * number, frames)[:, TO_REGRESSOR].astype(np.float32)
        takes = {"01_01_poses": {"positions_3d": joints, "frame_rate": np.float64(50.0)}}
        np.savez_compressed(folder / f"{dataset}.npz", positions_3d={"01": takes})
    return folder


def write_release(folder: Path, name: str, frames: tuple[int, ...] = (20, 14), cameras: int = 1) -> Path:
    """A folder of SmoothNet's release, `train` and `test` alike: h36m_fcn_3D, pw3d_spin_3D, jhmdb_simplepose_2D, ...

    Sequences are named after their cameras; with several, they are the same motion and all but the first are one frame
    longer.
    """
    dataset, estimator, representation = name.split("_")
    rng = np.random.default_rng(0)
    files: dict[str, dict[str, list]] = {"detected": {}, "groundtruth": {}}
    for number, count in enumerate(frames):
        for camera in range(cameras):
            length = count + (camera > 0)
            images = np.array([f"S9_{number}_camera_{camera}/{frame:06d}.jpg" for frame in range(length)])
            joints = motion(100 * number, length)
            if representation == "3D":
                order = {"h36m": slice(None), "pw3d": TO_REGRESSOR}.get(dataset, TO_14)
                truth, noise, key = joints[:, order] - joints[:, order][:, :1], 0.05, "joints_3d"
            elif representation == "2D":
                joints = joints[:, : 17 if dataset == "h36m" else 15, [0, 2]]
                truth, noise, key = 200 + 100 * joints, 5.0, "joints_2d"
            else:
                truth, noise, key = 0.3 * rng.normal(size=(1, 24, 3)) + 0.02 * joints[:, :1], 0.1, "pose"
            noisy = truth + rng.normal(0, noise, truth.shape)
            for part, values in (("detected", noisy), ("groundtruth", truth)):
                content = files[part]
                content.setdefault("imgname", []).append(images)
                content.setdefault(key, []).append(values.reshape(length, -1))
                if representation == "smpl" and (dataset, part) != ("aist", "groundtruth"):
                    content.setdefault("shape", []).append(np.full((length, 10), 0.1))
                if dataset == "jhmdb":
                    content.setdefault("bbox", []).append(np.tile([100.9, 50.0, 200.0, 250.0], (length, 1)))
                    content.setdefault("imgshape", []).append(np.array([240, 320, 3]))
    for part, label in (("detected", estimator), ("groundtruth", "gt")):
        (folder / name / part).mkdir(parents=True)
        for split in ("train", "test"):
            arrays = {key: objects(values) for key, values in files[part].items()}
            np.savez(folder / name / part / f"{dataset}_{label}_{representation}_{split}.npz", **arrays)
    return folder / name
