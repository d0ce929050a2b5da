"""Every target of fuzz/ keeps its promise over inputs that hypothesis makes; `make fuzz` tries a million of them."""

import itertools
import time

import pytest
from fuzz.run import all_targets, case_of, fuzz
from fuzz.target import Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SLOW = (
    *("mcap", "db3", "metadata", "recorded", "ros1", "zstd", "video", "mp4", "mkv", "gif", "damage"),
    *("weights", "onnx", "detector", "uplifter", "depth-scale"),
)
NAMES = (
    *("keyframe", "skeletons", "camera_info", "header", "image", "depth", "compressed"),
    *("tracker", "uplifter", "depth-scale", "refiner", "views"),
    *("parameters", "calibration", "weights", "quality", "onnx", "detector", "npz", "bvh", "objects"),
    *("mcap", "db3", "metadata", "recorded", "ros1", "zstd", "video", "mp4", "mkv", "gif", "damage"),
)


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    return {target.name: target for target in all_targets(tmp_path_factory.mktemp("fuzz"))}


def test_these_are_all_targets(targets):
    assert tuple(targets) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_hostile_input_is_valid_or_refused_in_one_line(targets, name):
    @settings(
        max_examples=10 if name in SLOW else 60,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def keeps_its_promise(random):
        targets[name].try_case(targets[name].case(random))

    keeps_its_promise()


def test_a_case_follows_from_seed_and_number_at_any_time(targets, monkeypatch):
    minutes = itertools.count(10**6)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(60 * next(minutes)))
    for name in ("mcap", "image", "weights"):
        first, again, others = ([case_of(targets[name], seed, number) for number in range(5)] for seed in (1, 1, 2))
        assert first == again
        assert first != others


def two_lines():
    raise ValueError("two\nlines")


@pytest.mark.parametrize(
    ("taken", "what"),
    [
        (lambda _: {}["key"], "KeyError"),
        (lambda _: two_lines(), "no line"),
        (lambda _: [0] * 10**12, "MemoryError"),
        (lambda number: number == 7 and __import__("os").abort(), "process ended with -6"),
    ],
    ids=["another error", "two lines", "much memory", "a crash"],
)
def test_a_broken_promise_is_found_and_counted(taken, what):
    result = fuzz(Target("bad", lambda random: random.choice((7, 7, 8)), taken), seed=0, cases=3)
    assert result.cases == 3
    assert [what in text for _, _, text in result.findings.values()] == [True]
