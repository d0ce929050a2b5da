"""The weights in weights/ reach their accuracy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.places import SHARED
from support.shipped import shipped

from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.convention import as_detected
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.data.refiners import Refiner
from uplift_ros.lab.evaluation import scores
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample
from uplift_ros.sources.synthetic.motion import PERIOD, pose

RATE = 50.0
MOTION_CAPTURE = SHARED / "mocap" / "mocap_test.npz"


@pytest.fixture(scope="module", params=shipped("uplift"))
def uplifter(request) -> UpliftUpsample:
    return weights.load(request.param, UpliftUpsample)


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """Half a round of the synthetic person, on whom no network was trained, as detectors mark it: (T, 17, 3)."""
    return as_detected(np.stack([pose(frame / RATE) for frame in range(round(PERIOD * RATE / 2))]).astype(np.float32))


@pytest.fixture(scope="module")
def synthetic(person) -> protocols.Clip:
    """With the errors of a 2D detector."""
    return next(protocols.project_sequences([Sequence("synthetic", person)], RATE, cameras=1, noise="detector", seed=0))


@pytest.mark.parametrize("name", weights.available())
def test_weights_record_where_they_come_from(name):
    _, _, provenance = weights.read_header(name)
    assert {"data", "seed", "steps"} <= set(provenance)


def test_all_weights_together_stay_small():
    total = sum(weights.find(name).stat().st_size for name in weights.available())
    assert total < 60e6


@pytest.mark.parametrize(("stride", "millimetres"), [(4, 78), (20, 92)])
def test_an_unseen_person_is_lifted_online(uplifter, synthetic, stride, millimetres):
    estimate = protocols.online(uplifter, synthetic, protocols.fixed(uplifter.config, stride), latency=4)
    assert scores.score([estimate], RATE)["mpjpe"] < millimetres


@pytest.mark.parametrize("axis", [(1, 0, 0), (-1, 0, 0), (0, 1, 0)])
def test_a_person_who_lies_is_lifted(uplifter, person, axis):
    """On the back, the belly and a side: the whole motion a quarter turn over, at the height of the ground."""
    turn = Rotation.from_rotvec(np.pi / 2 * np.array(axis)).as_matrix()
    lying = (person - person[:, :1]) @ turn.T + (0, 0, 0.3)
    clip = next(protocols.project_sequences([Sequence("lying", lying)], RATE, cameras=1, noise="none", seed=0))
    assert scores.score([protocols.offline(uplifter, clip, 10)], RATE)["mpjpe"] < 85


def test_upsampling_beats_linear_interpolation_of_key_frame_poses(uplifter, person):
    """From four sides and with true 2D poses, to exclude the detector's errors."""
    errors = []
    for clip in protocols.project_sequences([Sequence("synthetic", person)], RATE, cameras=4, noise="none", seed=0):
        estimate = protocols.offline(uplifter, clip, 20)
        between = ~estimate.keyframes & (estimate.frames < np.flatnonzero(estimate.keyframes)[-1])
        interpolated = protocols.between_keyframes(estimate, 1)
        errors.append([scores.frame_errors(each)[between].mean() for each in (estimate, interpolated)])
    upsampled, linear = np.mean(errors, axis=0)
    assert upsampled < linear


@pytest.mark.parametrize("name", shipped("synsp"))
def test_refinement_makes_streams_smoother_and_no_worse(uplifter, synthetic, name):
    raw = protocols.online(uplifter, synthetic, protocols.fixed(uplifter.config, 4), latency=4)
    refined = protocols.refine(raw, Refiner("synsp", weights.load(name, SynSP)))
    before, after = (scores.score([estimate], RATE) for estimate in (raw, refined))
    assert after["accel"] < 0.6 * before["accel"]
    assert after["mpjpe"] < 1.01 * before["mpjpe"]


@pytest.fixture(scope="module")
def captured() -> list[protocols.Clip]:
    """Every sixth sequence of real motion."""
    if not MOTION_CAPTURE.exists():
        pytest.skip("needs the motion capture that lies beside the project")
    sequences = load_motion([MOTION_CAPTURE], RATE)
    return list(protocols.project_sequences(sequences[::6], RATE, cameras=1, noise="none", seed=0))


def test_real_motion_is_lifted_as_accurately_as_documented(uplifter, captured):
    estimates = [protocols.offline(uplifter, clip, 10) for clip in captured]
    assert scores.score(estimates, RATE)["mpjpe"] < 53


def test_fast_real_motion_gains_by_upsampling(uplifter, captured):
    estimates = [protocols.offline(uplifter, clip, 20) for clip in captured]
    interpolated = [protocols.between_keyframes(estimate, 1) for estimate in estimates]
    upsampled, linear = (scores.score(each, RATE)["mpjpe_fast"] for each in (estimates, interpolated))
    assert upsampled < 0.96 * linear
