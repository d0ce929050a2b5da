"""`uplift bench`: its rows."""

import importlib.util

import pytest

from uplift_ros.lab.bench import measurements, networks, streams
from uplift_ros.lab.bench.bench import image_rows
from uplift_ros.models.configs import UpliftConfig

SMALL = UpliftConfig(spatial_width=8, spatial_blocks=1, temporal_width=16, temporal_blocks=1, heads=2)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    variants = {"compact": lambda: SMALL}
    monkeypatch.setattr(networks, "MEASURED_CONFIGS", variants)
    monkeypatch.setattr(streams, "MEASURED_CONFIGS", variants)
    monkeypatch.setattr(networks, "CPU_BATCHES", (1, 2))


def test_calls_are_measured_in_turns():
    order = []
    times = measurements.interleaved({side: lambda side=side: order.append(side) for side in "ab"}, seconds=0.0)
    assert order == ["a", "b"] * 13
    assert [len(values) for values in times.values()] == [10, 10]


def test_onnx_runtime_is_compared_with_pytorch_on_the_same_batch_and_stride():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    found = [row for row in networks.rows(0.0, "cpu", 1) if row.name.startswith("compact")]
    assert [(row.name, row.device, row.precision, row.ratio_to) for row in found[:4]] == [
        ("compact s_in 4 PyTorch", "PyTorch", "float32", ""),
        ("compact s_in 4", "cpu", "float32", "compact s_in 4 PyTorch"),
        ("compact s_in 4, tokens known PyTorch", "PyTorch", "float32", ""),
        ("compact s_in 4, tokens known", "cpu", "float32", "compact s_in 4, tokens known PyTorch"),
    ]
    assert [row.batch for row in found] == 2 * (4 * [1] + 4 * [2])


def test_streams_of_all_people_strides_and_cameras_are_measured():
    found = {row.name: row.batch for row in streams.rows(0.0)}
    assert [found[f"compact stream, {people} people"] for people in (1, 2, 5, 10, 20)] == [1, 2, 5, 10, 20]
    assert found["compact stream, 4 cameras"] == found["compact stream, 4 cameras in one forward"] == 4
    assert {f"compact stream, stride {stride}" for stride in (4, 10, 20)} <= found.keys()


def test_images_are_not_measured_if_the_messages_are_not_built(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None if package == "uplift_ros.msg" else object())
    assert list(image_rows(1.0)) == []
