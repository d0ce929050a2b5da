"""Estimators' outputs with the truth, as SmoothNet (ECCV 2022) releases them and SynSP uses them.

A folder such as `h36m_fcn_3D` names data set, estimator and representation, and holds `detected/` and `groundtruth/`
with one npz file each for `train` and `test`. A file has one array for each sequence: `joints_3d` (T, 3 J) metres,
`joints_2d` (T, 2 J) pixels, or `pose` (T, 72) axis-angle vectors of SMPL with `shape` (T, 10), which the truth of
AIST++ does not have. That of JHMDB also has `imgshape` (height, width, 3) and `bbox` (T, 4) corners in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.archive import require
from uplift_ros.lab.data.object_arrays import array_names, load_objects

REPRESENTATIONS = {"3D": ("joints_3d", 3), "2D": ("joints_2d", 2), "smpl": ("pose", 6)}
"""Array of each, and number of values of a joint as the network reads it: SMPL's rotations are two matrix columns."""

H36M_SCREEN = 500.0
"""Pixels: 2D poses of Human3.6M are (x - 500) / 500, whatever the image's exact height."""

SMPL_JOINTS = 24
WIDTHS = {"joints_3d": (51, 42), "joints_2d": (34, 32, 30), "pose": (72,), "shape": (10,), "bbox": (4,)}
"""Numbers of a frame in each array."""

MPI_TO_14 = (13, 12, 11, 8, 9, 10, 7, 6, 5, 2, 3, 4, 1, 0)
PW3D_TO_14 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
DATASET_TO_14 = {"pw3d": PW3D_TO_14, "mpiinf3dhp": MPI_TO_14, "mupots": MPI_TO_14}
"""The 14 joints of SynSP among the 17 that files of these data sets have (of 3DPW those of SPIN, EFT and PARE)."""

FIT_RELEASE = "give a folder of SmoothNet's release, such as h36m_fcn_3D with detected/ and groundtruth/ in it"


@dataclass(frozen=True)
class RefinementSequence:
    """One sequence, or the same moments as several cameras saw them.

    Attributes:
        name: of its first image.
        estimated, true: (P, T, C) of P views as the network reads them: metres, parts of the image, or 6D rotations.
        pixels: (2,) pixels of a unit of 2D poses.
        boxes: (T,) pixels, longer side of the person's box, if PCK is to be measured.
        shapes: (P, T, 10) of SMPL, estimated and true, for rotations.
    """

    name: str
    estimated: np.ndarray
    true: np.ndarray
    pixels: np.ndarray
    boxes: np.ndarray | None = None
    shapes: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class RefinementSet:
    """Sequences of one folder.

    Attributes:
        dataset, representation: 'h36m' and '3D', from the folder's name.
        joints, coordinates: of a frame; their product is C.
    """

    dataset: str
    representation: str
    joints: int
    coordinates: int
    sequences: list[RefinementSequence]


def is_release(path: Path) -> bool:
    """Whether a path is a folder of the release."""
    return (path / "detected").is_dir() and (path / "groundtruth").is_dir()


def load_release(folder: Path, split: str, *, several_views: bool = False) -> RefinementSet:
    """All sequences of a folder's `train` or `test` files.

    Args:
        folder: of the release.
        split: `train` or `test`.
        several_views: combine sequences that several cameras recorded at the same time, cropped to the shortest; the
            names of images must hold that of the camera (`..camera..`).

    Raises:
        ValueError: a folder or file of another form; names the array, its shape, and what fits.
    """
    dataset, representation = folder.resolve().name.split("_")[0], folder.resolve().name.split("_")[-1]
    if representation not in REPRESENTATIONS or not is_release(folder):
        raise ValueError(
            f"data: folder {folder} must end in _3D, _2D or _smpl and hold detected/, groundtruth/; {FIT_RELEASE}"
        )
    array, coordinates = REPRESENTATIONS[representation]
    detected, truth = (_file(folder / part, split) for part in ("detected", "groundtruth"))
    estimated, true = _sequences(detected, array), _sequences(truth, array)
    forms = [[part.shape for part in parts] for parts in (estimated, true)]
    if forms[0] != forms[1]:
        received = next((pair for pair in zip(*forms, strict=False) if pair[0] != pair[1]), tuple(map(len, forms)))
        raise ValueError(
            f"data: {detected}, {truth}, array {array!r}: must have sequences of one shape, got {received}"
        )
    names = _listed(detected, "imgname", len(true))
    sizes = _listed(truth, "imgshape", len(true)) if "imgshape" in array_names(truth) else None
    boxes = _sequences(truth, "bbox") if "bbox" in array_names(truth) else None
    shapes = [_shapes(file, true) for file in (detected, truth)] if representation == "smpl" else None
    sequences = []
    for index, images in enumerate(names):
        name = str(next(iter(np.ravel(images)), ""))
        size = np.ones(2) if sizes is None else np.asarray(sizes[index], float)[[1, 0]]
        pair = [_values(part[index], dataset, representation, size)[None] for part in (estimated, true)]
        box = None if boxes is None else np.ptp(boxes[index].astype(int).reshape(-1, 2, 2), axis=1).max(-1)
        betas = (shapes[0][index][None], shapes[1][index][None]) if shapes else None
        scale = np.full(2, H36M_SCREEN) if representation == "2D" and dataset == "h36m" else size
        sequences.append(RefinementSequence(name, pair[0], pair[1], scale, box, betas))
    joints = sequences[0].true.shape[-1] // coordinates
    sequences = _views(sequences) if several_views else sequences
    return RefinementSet(dataset, representation, joints, coordinates, sequences)


def _file(folder: Path, split: str) -> Path:
    found = sorted(folder.glob(f"*_{split}.npz"))
    if len(found) != 1:
        raise ValueError(f"data: folder {folder} must hold one file *_{split}.npz, got {len(found)}; {FIT_RELEASE}")
    return found[0]


def _sequences(path: Path, name: str) -> list[np.ndarray]:
    """Sequences (T, C) of an array of sequences."""
    if name not in (names := array_names(path)):
        raise ValueError(f"data: {path} has arrays {', '.join(names)}, not {name!r}; {FIT_RELEASE}")
    arrays = []
    for index, values in enumerate(load_objects(path, name)):
        values = np.asarray(values)
        flat = values.reshape(len(values), -1) if values.ndim > 1 and values.size else values
        shapes = [(None, width) for width in WIDTHS[name]]
        arrays.append(require(f"data: {path}, array {name!r}, sequence {index}", flat, *shapes, fits=FIT_RELEASE))
    return arrays


def _listed(path: Path, name: str, count: int) -> np.ndarray:
    """An array with an entry for each of `count` sequences."""
    entries = load_objects(path, name)
    if not isinstance(entries, np.ndarray) or len(entries) != count:
        received = getattr(entries, "shape", type(entries).__name__)
        raise ValueError(f"data: {path}, array {name!r}: expected {count} sequences, got {received}; {FIT_RELEASE}")
    return entries


def _shapes(path: Path, true: list[np.ndarray]) -> list[np.ndarray]:
    """Shapes of the bodies; the mean body if a file has none, as in the authors' evaluation."""
    return _sequences(path, "shape") if "shape" in array_names(path) else [np.zeros((len(part), 10)) for part in true]


def _values(values: np.ndarray, dataset: str, representation: str, size: np.ndarray) -> np.ndarray:
    """(T, C) of a file as the network reads them."""
    if representation == "smpl":
        return to_6d(values.reshape(len(values), SMPL_JOINTS, 3)).reshape(len(values), -1)
    if representation == "2D":
        points = values.reshape(len(values), -1, 2)
        points = (points - H36M_SCREEN) / H36M_SCREEN if dataset == "h36m" else points / size - 0.5
        return points.reshape(len(values), -1)
    if dataset in DATASET_TO_14 and values.shape[1] == 51:
        return values.reshape(len(values), 17, 3)[:, DATASET_TO_14[dataset]].reshape(len(values), -1)
    return values


def to_6d(vectors: np.ndarray) -> np.ndarray:
    """Axis-angle vectors (..., 3) as the first two columns of their rotation matrices, row by row (..., 6)."""
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return matrices[:, :, :2].reshape(*vectors.shape[:-1], 6)


def from_6d(values: np.ndarray) -> np.ndarray:
    """Axis-angle vectors (..., 3) of 6D rotations (..., 6), whose two columns are made orthonormal (Gram-Schmidt)."""
    first, second = np.moveaxis(values.reshape(-1, 3, 2), -1, 0)
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second - (first * second).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    matrices = np.stack([first, second, np.cross(first, second)], -1)
    vectors: np.ndarray = Rotation.from_matrix(matrices).as_rotvec().reshape(*values.shape[:-1], 3)
    return vectors


def _views(sequences: Sequence[RefinementSequence]) -> list[RefinementSequence]:
    """Combine sequences whose images differ only in their camera."""
    groups: dict[str, list[RefinementSequence]] = {}
    for sequence in sequences:
        if "camera" not in sequence.name:
            raise ValueError(
                f"data: image {sequence.name!r} does not name its camera, so there are no views; {FIT_RELEASE}"
            )
        groups.setdefault(sequence.name.split("camera")[0], []).append(sequence)
    together = []
    for members in groups.values():
        frames = min(part.true.shape[1] for part in members)
        estimated, true = (
            np.concatenate([getattr(part, kind)[:, :frames] for part in members]) for kind in ("estimated", "true")
        )
        together.append(replace(members[0], estimated=estimated, true=true))
    return together
