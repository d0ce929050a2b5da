"""The weights in weights/ do what they are shipped for."""

from pathlib import Path

import numpy as np
import pytest

from uplift_ros.evaluation import protocols, scores
from uplift_ros.evaluation.refinement import Refiner
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.online.stride import FixedStride
from uplift_ros.sources.motion import PERIOD, pose
from uplift_ros.training.mocap import Sequence, load_npz

RATE = 50.0
MOTION_CAPTURE = Path(__file__).parents[2] / "shared" / "mocap" / "mocap_test.npz"


def shipped(architecture: str) -> list[str]:
    return [name for name in weights.available() if weights.read_header(name)[0] == architecture]


@pytest.fixture(scope="module", params=shipped("uplift"))
def uplifter(request) -> UpliftUpsample:
    return weights.load(request.param, UpliftUpsample)


@pytest.fixture(scope="module")
def synthetic() -> protocols.Clip:
    """The synthetic person, whom no network was trained on, with the errors of a 2D detector."""
    joints = np.stack([pose(frame / RATE) for frame in range(round(PERIOD * RATE / 2))]).astype(np.float32)
    return next(protocols.film([Sequence("synthetic", joints)], RATE, cameras=1, noise="detector", seed=0))


@pytest.mark.parametrize("name", weights.available())
def test_weights_tell_where_they_come_from(name):
    _, _, provenance = weights.read_header(name)
    assert {"data", "seed", "steps"} <= set(provenance)


def test_all_weights_together_stay_small():
    total = sum(weights.find(name).stat().st_size for name in weights.available())
    assert total < 60e6


@pytest.mark.parametrize(("stride", "millimetres"), [(4, 75), (20, 90)])
def test_an_unseen_person_is_lifted_online(uplifter, synthetic, stride, millimetres):
    controller = FixedStride(stride, uplifter.config.token_stride)
    estimate = protocols.online(uplifter, synthetic, controller, stride, latency=4)
    assert scores.score([estimate], RATE)["mpjpe"] < millimetres


def test_upsampling_beats_linear_interpolation_of_key_frame_poses(uplifter, synthetic):
    estimate = protocols.offline(uplifter, synthetic, 20)
    linear = protocols.between_keyframes(estimate, 1).poses
    between = ~estimate.keyframes & (estimate.frames < np.flatnonzero(estimate.keyframes)[-1])
    upsampled, interpolated = (
        np.linalg.norm((poses - poses[:, :1] - (synthetic.truth - synthetic.truth[:, :1]))[between], axis=-1).mean()
        for poses in (estimate.poses, linear)
    )
    assert upsampled < interpolated


@pytest.mark.parametrize("name", shipped("synsp"))
def test_refinement_makes_streams_smoother_and_no_worse(uplifter, synthetic, name):
    controller = FixedStride(4, uplifter.config.token_stride)
    raw = protocols.online(uplifter, synthetic, controller, 4, latency=4)
    refined = protocols.refine(raw, Refiner("synsp", weights.load(name, SynSP)))
    before, after = (scores.score([estimate], RATE) for estimate in (raw, refined))
    assert after["accel"] < 0.6 * before["accel"]
    assert after["mpjpe"] < 1.01 * before["mpjpe"]


@pytest.mark.skipif(not MOTION_CAPTURE.exists(), reason="needs the motion capture that lies beside the project")
def test_real_motion_is_lifted_as_accurately_as_documented(uplifter):
    sequences, rate = load_npz(MOTION_CAPTURE)
    clips = list(protocols.film(sequences[::6], rate, cameras=1, noise="none", seed=0))
    assert scores.score([protocols.offline(uplifter, clip, 10) for clip in clips], rate)["mpjpe"] < 44
