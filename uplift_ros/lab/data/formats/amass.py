"""AMASS (Mahmood et al. 2019): parameters of the SMPL+H body, turned into joints by the user's body model.

Skinning follows SMPL (Loper et al. 2015, equations 6 to 10): shape and pose move the vertices of a template, which
then follow the joints by linear blend skinning; Human3.6M's joints are weighted means of the vertices.
"""

from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from uplift_ros.lab.data.archive import Archive
from uplift_ros.lab.data.mocap import Sequence, grounded
from uplift_ros.parameters import brief
from uplift_ros.skeleton import H36M17

FROM_REGRESSOR = (0, 4, 5, 6, 1, 2, 3, *range(7, 17))
"""h36m17 joints among the rows of J_regressor_h36m, where the left leg comes first."""

CHUNK_FRAMES = 256
"""Frames that are skinned at once."""


class BodyModel:
    """SMPL+H as an npz file: the model's own arrays and the regressor of Human3.6M's joints.

    Args:
        path: file with `v_template` (V, 3), `shapedirs` (V, 3, S), `posedirs` (V, 3, 9 (K - 1)), `J_regressor` (K, V),
            `weights` (V, K), `kintree_table` (2, K) and `J_regressor_h36m` (17, V), in metres, for V vertices, S shapes
            and K joints.

    Attributes:
        parents: (K,) index of each joint's parent, -1 of the root.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an array is missing or does not fit the others; names it.
    """

    def __init__(self, path: Path) -> None:
        with Archive(path, "body-model") as archive:
            template = archive.read("v_template", (None, 3)).astype(float)
            vertices = len(template)
            weights = archive.read("weights", (vertices, None)).astype(float)
            joints = weights.shape[1]
            shapes = archive.read("shapedirs", (vertices, 3, None)).astype(float)
            pose_shapes = archive.read("posedirs", (vertices, 3, 9 * (joints - 1))).astype(float)
            regressor = archive.read("J_regressor", (joints, vertices)).astype(float)
            parents = archive.read("kintree_table", (2, joints))[0].astype(np.int64)
            h36m = archive.read("J_regressor_h36m", (len(H36M17), vertices)).astype(float)
        self.parents = np.where(np.arange(joints) == 0, -1, parents)
        if not ((self.parents[1:] >= 0) & (self.parents[1:] < np.arange(1, joints))).all():
            raise ValueError(
                f"body-model: {path}, array 'kintree_table' must list parents first, got {brief(parents.tolist())}"
            )
        self.joints = regressor @ template  # (K, 3)
        self.joint_shapes = np.einsum("kv,vcs->kcs", regressor, shapes)
        used = np.flatnonzero((h36m != 0).any(0))  # the regressor reads a few hundred of 6890 vertices
        self.regressor = h36m[list(FROM_REGRESSOR)][:, used]
        self.template, self.shapes = template[used], shapes[used]
        self.pose_shapes, self.weights = pose_shapes[used], weights[used]

    def h36m17(self, poses: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> np.ndarray:
        """Joints (T, 17, 3) in metres.

        Args:
            poses: (T, 3 K) axis-angle vectors of all joints, the root first.
            betas: (S',) shape; values beyond the model's number of shapes are ignored.
            translation: (T, 3).
        """
        frames, joints = len(poses), len(self.parents)
        known = min(len(betas), self.shapes.shape[-1])
        shaped = self.template + self.shapes[..., :known] @ betas[:known]
        rest = self.joints + self.joint_shapes[..., :known] @ betas[:known]
        local = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(frames, joints, 3, 3)
        rotations, positions = self._forward_kinematics(local, rest)
        features = (local[:, 1:] - np.eye(3)).reshape(frames, -1)
        vertices = shaped + np.einsum("vcp,tp->tvc", self.pose_shapes, features, optimize=True)
        moved = positions - np.einsum("tkij,kj->tki", rotations, rest)  # where a joint moves the origin
        blended = np.einsum("vk,tkij->tvij", self.weights, rotations, optimize=True)
        skinned = (blended @ vertices[..., None])[..., 0] + np.einsum("vk,tki->tvi", self.weights, moved)
        return self.regressor @ skinned + translation[:, None]

    def _forward_kinematics(self, local: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Orientations (T, K, 3, 3) and positions (T, K, 3) of the joints from rotations relative to their parents."""
        rotations, positions = local.copy(), np.empty((*local.shape[:2], 3))
        positions[:, 0] = rest[0]
        for joint, parent in list(enumerate(self.parents))[1:]:
            rotations[:, joint] = rotations[:, parent] @ local[:, joint]
            positions[:, joint] = positions[:, parent] + rotations[:, parent] @ (rest[joint] - rest[parent])
        return rotations, positions


_body_model = cache(BodyModel)


def is_amass(path: Path) -> bool:
    """Whether an npz file holds body parameters."""
    with Archive(path) as archive:
        return {"poses", "trans"} <= set(archive.names)


def load_amass(path: Path, name: str, body_model: Path | None) -> tuple[Sequence, float]:
    """One take on the ground, z up, and its frames per second.

    Args:
        path: the file.
        name: of the sequence.
        body_model: file for `BodyModel`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no body model, or an array that is missing or of another form; names it.
    """
    if body_model is None:
        raise ValueError(
            f"data: {path} holds SMPL+H parameters, no joints: give --body-model, an npz file of the SMPL+H body "
            "with J_regressor_h36m (docs/TRAINING.md)"
        )
    model = _body_model(body_model)
    with Archive(path) as archive:
        poses = archive.read("poses", (None, 3 * len(model.parents))).astype(float)
        translation = archive.read("trans", (len(poses), 3)).astype(float)
        betas = archive.read("betas", (None,)).astype(float)
        fps = archive.read_rate("mocap_framerate")
    chunks = [slice(start, start + CHUNK_FRAMES) for start in range(0, len(poses), CHUNK_FRAMES)]
    joints = np.concatenate([model.h36m17(poses[chunk], betas, translation[chunk]) for chunk in chunks])
    return Sequence(name, grounded(joints)), fps
