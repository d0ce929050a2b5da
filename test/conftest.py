"""Tests share a small machine: one thread per process is faster than two that wait for each other."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings
from support import clips, networks
from support.bright_person import BrightPerson

from uplift_ros import cli, estimators

if find_spec("torch"):  # most tests need none
    import torch

    torch.set_num_threads(1)
settings.register_profile("no haste", deadline=None)
settings.load_profile("no haste")


@pytest.fixture(scope="session")
def blazepose_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For tests that need the default 2D estimator: `full`, whatever else is installed."""
    with networks.only_full_blazepose(tmp_path_factory.mktemp("share")):
        yield


@pytest.fixture
def estimator(monkeypatch: pytest.MonkeyPatch) -> BrightPerson:
    """Replacement of the 2D estimator."""
    estimator = BrightPerson()
    monkeypatch.setattr(estimators, "create", lambda *_, **__: estimator)
    return estimator


@pytest.fixture(scope="session")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from support import tiny

    return tiny.write_parameters(tmp_path_factory.mktemp("networks"))


@pytest.fixture
def uplift_process(parameters: Path, estimator: BrightPerson) -> Callable[..., int]:
    """The command with tiny networks; returns the exit code."""
    return lambda *arguments: cli.main(["process", *map(str, arguments), "--params", str(parameters)])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.write_clip(tmp_path / "clip.avi")
