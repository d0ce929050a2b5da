"""Windows of the paper's recipe: their frames, the distribution of strides and phases, and camera views."""

from dataclasses import replace

import numpy as np
import pytest
from support import paper_data

from uplift_ros.lab.data.formats.h36m import load_cameras
from uplift_ros.lab.data.mocap import Sequence
from uplift_ros.lab.data.takes import Take
from uplift_ros.lab.training.paper_windows import PaperSampler, Videos, paper_masks, project, window_frames
from uplift_ros.models.configs import n81, n351
from uplift_ros.skeleton import H36M17


@pytest.fixture
def cameras(tmp_path):
    return list(load_cameras(paper_data.write_metadata(tmp_path / "metadata.xml")).values())


def recorded(cameras, frames=(30, 21)) -> Videos:
    takes = []
    for number, count in enumerate(frames):
        truth = cameras[number].to_optical(paper_data.motion(100 * number, count))
        takes.append(Take("S1/a/a", truth, cameras[number].camera.project(truth), cameras[number].camera))
    return Videos.of_takes(takes)


@pytest.mark.parametrize("config", [n81(), n351()])
def test_strides_and_phases_are_drawn_alike_so_that_few_centres_are_real(config):
    masks = paper_masks(np.random.default_rng(0), config, 60_000)
    periods = [stride // config.token_stride for stride in config.input_strides]
    # Each window's stride is the distance of its first two real poses.
    first = masks.argmax(1)
    again = masks.copy()
    again[np.arange(len(masks)), first] = False
    distance = again.argmax(1) - first if min(periods) > 1 else np.where(masks.all(1), 1, again.argmax(1) - first)
    assert [np.mean(distance == period) for period in periods] == pytest.approx([1 / 3] * 3, abs=0.01)
    assert masks[:, config.centre].mean() == pytest.approx(np.mean([1 / period for period in periods]), abs=0.01)
    for period in periods:
        phases = np.bincount(first[distance == period], minlength=period) / np.sum(distance == period)
        assert phases == pytest.approx([1 / period] * period, abs=0.02)


def test_frames_beyond_a_video_copy_its_nearest_on_the_windows_own_grid():
    config = replace(n81(), frames=9, strided=False)  # five tokens, two frames apart
    frames = window_frames(np.array([101, 110, 105]), np.full(3, 100), np.full(3, 110), config)
    assert frames.tolist() == [[101, 101, 101, 103, 105], [106, 108, 110, 110, 110], [101, 103, 105, 107, 109]]


def test_every_frame_is_a_centre_once_a_pass_and_with_twins_its_mirror_image_follows(cameras):
    videos = recorded(cameras)
    sampler = PaperSampler(videos, n81(), 102, np.random.default_rng(0), twins=True)
    batch = sampler.draw()  # a whole pass
    centres = batch.targets[:, n81().centre].numpy()
    assert {tuple(row) for row in centres[::2, 3].tolist()} == {tuple(row) for row in videos.joints[:, 3].tolist()}
    np.testing.assert_array_equal(centres[1::2], centres[::2][:, H36M17.flip] * (-1, 1, 1))
    np.testing.assert_array_equal(
        batch.inputs[1::2], batch.inputs[::2][:, :, H36M17.flip].numpy() * np.float32([-1, 1])
    )
    np.testing.assert_array_equal(batch.mask[1::2], batch.mask[::2])


def test_without_twins_a_pass_has_each_window_and_its_mirror_image_on_their_own(cameras):
    videos = recorded(cameras)
    batch = PaperSampler(videos, n81(), 102, np.random.default_rng(0), twins=False).draw()
    centres = {tuple(row) for row in batch.targets[:, n81().centre, 16].tolist()}
    wanted = videos.joints[:, 16].tolist() + (videos.joints[:, 13] * np.float32([-1, 1, 1])).tolist()
    assert centres == {tuple(row) for row in wanted}


def test_motion_capture_is_mirrored_in_the_world_and_seen_by_the_same_camera(cameras):
    world = paper_data.motion(0, 40)
    videos = Videos.of_motion([Sequence("CMU/01/walk", world)])
    batch = PaperSampler(videos, n81(), 80, np.random.default_rng(0), twins=True, cameras=cameras).draw()
    sizes = np.linalg.norm(batch.targets[:, 40 // 2].numpy(), axis=-1)
    np.testing.assert_allclose(sizes[1::2], sizes[::2][:, H36M17.flip], atol=1e-5)
    mirrored = batch.inputs[::2][:, :, H36M17.flip].numpy() * (-1, 1)
    assert np.abs(batch.inputs[1::2].numpy() - mirrored).max() > 0.1
    true_scale = np.linalg.norm(world[:, 3] - world[:, 16], axis=-1)
    ours = np.linalg.norm((batch.targets[::2, :, 3] - batch.targets[::2, :, 16]).numpy(), axis=-1)
    assert ours.min() >= true_scale.min() - 1e-4
    assert ours.max() <= true_scale.max() + 1e-4


def test_the_lens_is_that_of_human36m_but_for_its_tangential_terms(cameras):
    points = cameras[0].to_optical(paper_data.motion(0, 5))
    lens = cameras[0].camera
    pixels = (project(points, cameras[0]) + np.array([1, lens.height / lens.width])) * lens.width / 2
    np.testing.assert_allclose(pixels, lens.project(points), atol=2.0)
    beside = project(np.array([[[5.0, 0, 1.0]]]), cameras[0])
    np.testing.assert_array_equal(beside, project(np.array([[[1.0, 0, 1.0]]]), cameras[0]))


def test_the_tangential_terms_are_the_papers_vector_in_reverse_order(cameras):
    """VideoPose3D's p is (p2, p1) of Human3.6M and OpenCV, and moves the image by p r^2."""
    lens = replace(cameras[0].camera, distortion=(0.0, 0.0, 0.01, 0.02, 0.0))
    ray = np.array([0.3, -0.4])
    seen = project(np.array([*ray, 1.0]), replace(cameras[0], camera=lens))
    p = np.array([0.02, 0.01])
    pixels = (ray * (1 + ray @ p) + p * (ray @ ray)) * (lens.fx, lens.fy) + (lens.cx, lens.cy)
    np.testing.assert_allclose(seen, 2 * pixels / lens.width - (1, lens.height / lens.width))


def test_what_cannot_be_drawn_is_refused(cameras):
    with pytest.raises(ValueError, match="batch"):
        PaperSampler(recorded(cameras), n81(), 5, np.random.default_rng(0), twins=True)
    motion = Videos.of_motion([Sequence("CMU/01/walk", paper_data.motion(0, 9))])
    with pytest.raises(ValueError, match="calibration"):
        PaperSampler(motion, n81(), 4, np.random.default_rng(0), twins=True)
