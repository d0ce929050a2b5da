"""`uplift study views`: several cameras on motion capture."""

import json

import numpy as np
import pytest
from support import tiny
from support.paper_data import motion

from uplift_ros import cli, metrics
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.studies import several_views
from uplift_ros.models import weights
from uplift_ros.poses import Person3D, ScaleSource, SkeletonFrame, Source

JOINTS = motion(0, 61).astype(np.float32)


def placed(clip: protocols.Clip, poses: np.ndarray) -> protocols.Estimate:
    every = np.arange(len(poses))
    frames = tuple(
        SkeletonFrame(
            0, "camera", (Person3D("p1", 1.0, Source.UPSAMPLED, ScaleSource.PRIOR, joints, np.ones(17), 0.0),)
        )
        for joints in poses
    )
    return protocols.Estimate(clip, poses, every, every % 10 == 0, skeletons=frames)


@pytest.fixture
def estimates():
    """Perfect estimates except for their distances, which are wrong by 5 %, -5 % and 0."""
    clips = protocols.project_sequences([Sequence("a/b/c", JOINTS)], 50.0, cameras=3, noise="none", seed=0)
    return [placed(clip, clip.truth * scale) for clip, scale in zip(clips, (1.05, 0.95, 1.0), strict=True)]


def test_the_transforms_between_cameras_are_found(estimates):
    for estimate, transform in zip(estimates, several_views.common_frame(estimates), strict=True):
        np.testing.assert_allclose(transform.points(estimate.truth), estimates[0].truth, atol=1e-4)


def test_views_are_fused_into_the_first_camera_s_frame(estimates):
    exact = [placed(estimate.clip, estimate.truth) for estimate in estimates]
    np.testing.assert_allclose(several_views.fused(exact, several_views.common_frame(exact)), exact[0].truth, atol=1e-4)


def test_three_views_have_less_error_than_one(estimates):
    fused = several_views.fused(estimates, several_views.common_frame(estimates))
    truth = estimates[0].truth
    assert metrics.mpjpe(fused, truth) < metrics.mpjpe(estimates[0].poses, truth)


def test_there_is_a_row_for_every_number_of_cameras_and_method():
    rows = several_views.evaluate([Sequence("a/b/c", JOINTS)], tiny.uplift(), None, tiny.synsp(), (1, 2), 10, "none", 0)
    measured = {(row["cameras"], row["way"], row["refine"]) for row in rows}
    assert len(measured) == len(rows) == 2 * 7
    assert {"mpjpe", "accel", "frames", "stride", "noise"} <= set(rows[0])
    alone = {row["way"]: row["mpjpe"] for row in rows if row["cameras"] == 1 and row["refine"] == "none"}
    assert alone["single"] == pytest.approx(alone["mean"]) == pytest.approx(alone["fused"], rel=1e-6)


def test_cameras_in_turn_are_compared_on_frames_that_all_have():
    found = []
    for in_turn in (False, True):
        rows = several_views.evaluate(
            [Sequence("a/b/c", JOINTS)], tiny.uplift(), None, tiny.synsp(), (2,), 20, "none", 0, in_turn=in_turn
        )
        found.append({row["frames"] for row in rows})
    assert found == [{61}, {41}]


@pytest.fixture
def command(tmp_path):
    """`uplift study views` with tiny networks on two short motions; returns the exit code."""
    weights.save(tiny.uplift(), tmp_path / "uplift.safetensors", {})
    weights.save(tiny.synsp(), tmp_path / "synsp.safetensors", {})
    np.savez(tmp_path / "data.npz", fps=50.0, **{"a/b/c": JOINTS, "a/b/d": JOINTS[::-1]})
    files = {"data": "data.npz", "model": "uplift.safetensors", "refiner-model": "synsp.safetensors"}
    options = [part for name, file in files.items() for part in (f"--{name}", str(tmp_path / file))]
    return lambda *more: cli.main(["study", "views", *options, "--json", str(tmp_path / "rows.json"), *more])


def test_one_command_prints_the_rows_and_writes_them(command, tmp_path, capsys):
    assert command("--cameras", "2", "--every", "2", "--frames", "41") == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {(row["cameras"], row["frames"]) for row in rows} == {(2, 41)}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:3] for line in lines] == [
        ["cameras 2", f"way {row['way']}", f"refine {row['refine']}"] for row in rows
    ]


@pytest.mark.parametrize("option", ["cameras", "every", "frames"])
def test_nothing_to_measure_is_refused_by_the_name_of_the_option(command, option, capsys):
    assert command(f"--{option}", "0") == 1
    assert option in capsys.readouterr().err
