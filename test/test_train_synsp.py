"""Training of the refinement network."""

import csv
from itertools import count

import numpy as np
import pytest

from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP, SynSPConfig
from uplift_ros.skeleton import H36M17
from uplift_ros.training.mocap import Sequence
from uplift_ros.training.synsp import RATE_AT_END, WindowSampler, random_rotations, train, validate, validation_pairs

SMALL = SynSPConfig(width=16, ffn=16, layers=1, heads=2, head_width=8, inverse_dct=True)


def motion(frames: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.3 * rng.normal(size=(1, 17, 3)) + np.cumsum(rng.normal(0, 0.01, (frames, 17, 3)), 0)).astype(np.float32)


SEQUENCES = [
    Sequence("cmu/walk/1", motion(120)),
    Sequence("cmu/salsa/2", motion(30, 2)),
    Sequence("x/run/3", motion(5)),
]


def sampler(pairs=(), batch: int = 16) -> WindowSampler:
    return WindowSampler(SEQUENCES, SMALL, batch, np.random.default_rng(3), pairs)


def test_windows_are_root_relative_in_metres():
    noisy, true = sampler().draw()
    assert noisy.shape == true.shape == (16, 8, 51)
    assert noisy.isfinite().all()
    assert true.unflatten(-1, (17, 3))[:, :, 0].abs().max() == 0
    assert noisy.unflatten(-1, (17, 3))[:, :, 0].abs().max() == 0


def test_half_of_the_batch_is_of_pairs_if_there_are_any():
    pair = (motion(40, 4), motion(40, 5))
    noisy, true = (windows.unflatten(-1, (17, 3)).numpy() for windows in sampler([pair]).draw())
    estimated, known = (poses - poses[:, :1] for poses in pair)
    for given, other, source, source_other in zip(noisy[8:], true[8:], [estimated] * 8, [known] * 8, strict=True):
        distances = []
        for flipped in (False, True):
            whole = np.stack([source, source_other])
            if flipped:
                whole = whole[:, :, H36M17.flip] * (-1, 1, 1)
            for start in range(33):
                cut = whole[:, start : start + 8]
                size = (cut * [given, other]).sum() / (cut**2).sum()
                distances.append(np.abs(size * cut - [given, other]).max())
        assert min(distances) < 1e-5


def test_people_stand_upright_before_every_camera():
    rotations = random_rotations(np.random.default_rng(6), 500)
    np.testing.assert_allclose(rotations @ rotations.swapaxes(1, 2), np.tile(np.eye(3), (500, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    up = rotations @ [0, 0, 1]
    assert (-up[:, 1] > np.cos(np.radians(31))).all()  # y points down
    assert up[:, 2].min() < -0.3 < 0.3 < up[:, 2].max()  # seen from above and from below


def test_validation_is_the_same_at_every_call_and_tells_errors_of_input_and_output():
    pairs = validation_pairs(SEQUENCES)
    (estimated, true), again = pairs[0], validation_pairs(SEQUENCES)[0]
    np.testing.assert_array_equal(estimated, again[0])
    model = SynSP(SMALL).eval()
    row = validate(model, [(estimated, true)])
    relative = estimated - estimated[:, :1] - (true - true[:, :1])
    assert row["mpjpe_in"] == pytest.approx(1000 * np.linalg.norm(relative, axis=-1).mean(), rel=1e-5)
    assert row["mpjpe_out"] > 0
    assert validate(model, []) == {}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "mocap.npz"
    np.savez(path, fps=50.0, **{sequence.name: sequence.joints for sequence in SEQUENCES})
    return path


@pytest.fixture
def clock(monkeypatch):
    """A second passes at every look at the clock, two or three times a step."""
    seconds = count()
    monkeypatch.setattr("uplift_ros.training.synsp.monotonic", lambda: float(next(seconds)))


@pytest.mark.usefixtures("clock")
def test_training_leaves_weights_that_load_a_log_and_a_checkpoint_to_go_on_from(data, tmp_path):
    out = tmp_path / "out"
    pairs = validation_pairs(SEQUENCES[:1])
    arguments = {"validation": pairs, "config": SMALL, "batch": 4, "report_every": 5}
    trained = train(data, out, minutes=0.5, **arguments)
    loaded = weights.load(str(out / "synsp.safetensors"), expect=SynSP)
    assert validate(loaded, pairs) == pytest.approx(validate(trained, pairs))

    before = [int(row["step"]) for row in csv.DictReader((out / "synsp.csv").open())]
    train(data, out, minutes=0.5, **arguments)  # the time is used up: one step to see it
    rows = list(csv.DictReader((out / "synsp.csv").open()))
    assert [int(row["step"]) for row in rows] == [*before, before[-1] + 1]
    assert float(rows[-1]["rate"]) == pytest.approx(1e-3 * RATE_AT_END)
    assert float(rows[-1]["mpjpe_out"]) > 0


@pytest.mark.usefixtures("clock")
def test_training_reduces_the_loss(data, tmp_path):
    train(data, tmp_path, minutes=4, config=SMALL, batch=16, report_every=20)
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "synsp.csv").open())]
    assert len(losses) > 4
    assert losses[-2] < 0.9 * losses[0]


def test_no_time_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="minutes must be positive, got 0"):
        train(data, tmp_path, minutes=0)


@pytest.mark.parametrize("pair", [(motion(9), motion(8)), (motion(7), motion(7))])
def test_pairs_that_do_not_fit_are_refused(pair):
    with pytest.raises(ValueError, match=r"pairs must be two arrays \(T, 17, 3\) of at least 8 frames"):
        sampler([pair])
