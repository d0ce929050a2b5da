"""Several cameras on motion capture: what `uplift study views` measures."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from uplift_ros.evaluation import metrics, protocols, views
from uplift_ros.models.synsp import SynSP, SynSPConfig
from uplift_ros.sources.motion import pose
from uplift_ros.training.mocap import Sequence

JOINTS = np.stack([pose(frame / 50) for frame in range(61)]).astype(np.float32)


@pytest.fixture
def estimates():
    """Perfect, but for the distance, which is wrong by 5 % in turn."""
    clips = protocols.film([Sequence("a/b/c", JOINTS)], 50.0, cameras=3, noise="none", seed=0)
    every = np.arange(len(JOINTS))
    return [
        protocols.Estimate(clip, clip.truth * scale, every, every % 10 == 0)
        for clip, scale in zip(clips, (1.05, 0.95, 1.0), strict=True)
    ]


def test_the_places_of_the_cameras_are_found(estimates):
    for estimate, transform in zip(estimates, views.common_frame(estimates), strict=True):
        np.testing.assert_allclose(transform.points(estimate.truth), estimates[0].truth, atol=1e-4)


def test_views_are_fused_into_the_first_camera_s_frame(estimates):
    exact = [replace(estimate, poses=estimate.truth) for estimate in estimates]
    np.testing.assert_allclose(views.fused(exact, views.common_frame(exact)), exact[0].truth, atol=1e-4)


def test_three_views_have_less_error_than_one(estimates):
    fused = views.fused(estimates, views.common_frame(estimates))
    truth = estimates[0].truth
    assert metrics.mpjpe(fused, truth) < metrics.mpjpe(estimates[0].poses, truth)


def test_synsp_over_one_view_is_the_ordinary_refinement():
    torch.manual_seed(0)
    model = SynSP(SynSPConfig(width=16, ffn=16, layers=1, heads=1, head_width=8)).eval()
    poses = (JOINTS - JOINTS[:, :1]).astype(float)
    refined = views.refine_sequence(model, poses)
    together = views.synsp_views(model, poses[None])
    np.testing.assert_allclose(together - together[:, :1], refined, atol=1e-5)


def test_there_is_a_row_for_every_number_of_cameras_and_way():
    rows = views.evaluate([Sequence("a/b/c", JOINTS)], tiny.uplift(), tiny.synsp(), (1, 2), 10, "none", 0)
    ways = {(row["cameras"], row["way"], row["refine"]) for row in rows}
    assert len(ways) == len(rows) == 2 * 7
    assert {"mpjpe", "accel", "frames", "stride", "noise"} <= set(rows[0])
    alone = {row["way"]: row["mpjpe"] for row in rows if row["cameras"] == 1 and row["refine"] == "none"}
    assert alone["single"] == pytest.approx(alone["mean"]) == pytest.approx(alone["fused"], rel=1e-6)
