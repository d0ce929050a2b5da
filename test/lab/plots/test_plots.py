"""The figures of `uplift plot`: their data, their drawing, and the command."""

import argparse

import numpy as np
import pytest
import torch
from support import tiny
from support.paper_data import motion

from uplift_ros import cli, metrics
from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.evaluation.scores import frame_errors
from uplift_ros.lab.plots import adaptive_run, attention, latency, plot_data, sheet, training_curve, velocity
from uplift_ros.models import weights
from uplift_ros.models.uplift import MASKED_SCORE

RATE = 50.0
STRIDE = 10


SEQUENCES = {
    "a/walk/1": motion(0, 131),
    "a/walk/2": motion(150, 95),
    "b/box/1": motion(450, 60),
    "c/turn/1": motion(600, 35),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with data.npz, tiny.safetensors and log.csv."""
    folder = tmp_path_factory.mktemp("plots")
    np.savez(folder / "data.npz", fps=RATE, **SEQUENCES)
    weights.save(tiny.uplift(), folder / "tiny.safetensors", {})
    rows = [f"{step},{9000 / step},{1e-3 - 1e-6 * step}\n" for step in (200, 400, 600)]
    (folder / "log.csv").write_text("".join(["step,loss_mm,rate\n", *rows]))
    return folder


def load(files, **options) -> plot_data.Study:
    defaults = {"sequence": None, "cameras": 1, "noise": "none", "seed": 0, "body_model": None, "subjects": ()}
    paths = {"data": [files / "data.npz"], "model": str(files / "tiny.safetensors")}
    return plot_data.load_study(argparse.Namespace(**paths | defaults | options))


@pytest.fixture(scope="module")
def shown(files) -> plot_data.Study:
    return load(files)


def test_cameras_and_noise_of_a_picture_are_those_of_an_evaluation_of_all_sequences(files):
    everything = load_motion([files / "data.npz"], RATE)
    evaluated = list(protocols.project_sequences(everything, RATE, cameras=2, noise="detector", seed=3))
    alone = load(files, sequence=["b/box/1"], cameras=2, noise="detector", seed=3).clips
    assert [clip.name for clip in alone] == ["b/box/1"] * 2
    for clip, expected in zip(alone, evaluated[4:6], strict=True):
        np.testing.assert_array_equal(clip.plane, expected.plane)


def test_the_beginning_of_a_name_selects_all_sequences_that_begin_with_it(files):
    assert [clip.name for clip in load(files, sequence=["a/"]).clips] == ["a/walk/1", "a/walk/2"]


@pytest.mark.parametrize("sequence", ["a/wlak/2", ["b", "a/wlak/2"]])
def test_an_unknown_sequence_is_refused_with_those_of_similar_names(files, sequence):
    with pytest.raises(ValueError, match=r"a/wlak/2.*a/walk/2"):
        load(files, sequence=sequence)


@pytest.fixture
def mask(shown) -> np.ndarray:
    return attention.keyframe_mask(shown.model.config, STRIDE)


@pytest.fixture
def poses(shown, mask) -> torch.Tensor:
    return attention.keyframe_poses(shown.clips, shown.model.config, mask, STRIDE)


@pytest.mark.parametrize("deferred", [True, False])
def test_the_attention_that_a_token_pays_sums_to_one(shown, poses, mask, deferred):
    paid = attention.token_attention(shown.model, poses, mask, deferred)
    assert paid.shape == (41, 41)
    np.testing.assert_allclose(paid.sum(1), 1, atol=1e-5)


def test_upsampling_tokens_get_no_attention_if_deferred_and_some_otherwise(shown, poses, mask):
    deferred = attention.token_attention(shown.model, poses, mask, deferred=True)
    free = attention.token_attention(shown.model, poses, mask, deferred=False)
    assert deferred[:, ~mask].max() == 0
    assert deferred[:, mask].min() > 0
    assert free[:, ~mask].min() > 0


def test_attention_weights_are_those_of_the_network(shown):
    module = shown.model.temporal_blocks[0].attention
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    score_mask = torch.tensor([0.0, 1, 0, 1, 1])[None, None, None] * MASKED_SCORE
    value = module.qkv(x)[..., -16:].unflatten(-1, (module.heads, -1)).transpose(1, 2)
    attended = attention.attention_weights(module, x, score_mask) @ value
    expected = module(x, score_mask)
    np.testing.assert_allclose(module.out(attended.transpose(1, 2).flatten(2)), expected, atol=1e-6)


def test_attention_windows_lie_around_key_frames_inside_the_clips(shown, poses, mask):
    assert list(np.flatnonzero(mask)) == list(range(0, 41, 5))
    # Centres 40 to 90 of the clip of 131 frames, 40 and 50 of that of 95, none of the shorter ones.
    assert poses.shape == (6 + 2, 9, 17, 2)


def test_clips_shorter_than_an_attention_window_are_refused(shown, mask):
    with pytest.raises(ValueError, match="sequence"):
        attention.keyframe_poses(shown.clips[2:], shown.model.config, mask, STRIDE)


def test_attention_maps_have_one_scale_and_show_the_share_of_upsampling_tokens(shown, mask):
    maps = {"one": np.full((41, 41), 1 / 41), "other": np.eye(41)}
    first, second, *_ = attention.draw(maps, mask, shown.model.config).axes
    assert first.images[0].get_clim() == second.images[0].get_clim() == (0, 1)
    assert "one\n78 % goes to" in first.get_title()


def intervals(*frames: int, error: float = 30.0) -> list[dict]:
    """Intervals of 0.1 m/s with these numbers of frames."""
    return [
        {
            "from": k / 10,
            "to": (k + 1) / 10,
            "mpjpe": error,
            "frames": n,
            "share_up_to": sum(frames[: k + 1]) / sum(frames),
        }
        for k, n in enumerate(frames)
    ]


def test_velocity_intervals_with_few_frames_are_left_out():
    assert [row["from"] for row in velocity.with_enough_frames(intervals(60, 3, 50, 1))] == [0, 0.2]
    with pytest.raises(ValueError, match="sequence"):
        velocity.with_enough_frames(intervals(3))


def test_each_stride_is_a_curve_before_the_distribution_of_velocities():
    figure = velocity.draw({4: intervals(60, 20, error=20), 20: intervals(60, 20)})
    curves, distribution = figure.axes
    assert {line.get_label(): line.get_ydata()[0] for line in curves.lines} == {"stride 4": 20, "stride 20": 30}
    np.testing.assert_allclose(curves.lines[0].get_xdata(), [0.05, 0.15])
    outline = distribution.collections[0].get_paths()[0].vertices
    assert {(0.1, 75.0), (0.2, 100.0)} <= {tuple(point) for point in outline.round(9)}
    assert distribution.get_zorder() < curves.get_zorder()


@pytest.fixture(scope="module")
def runs(shown) -> dict[str, adaptive_run.ControlledRun]:
    return adaptive_run.run_all(shown, protocols.adaptive(shown.model.config, velocity_threshold=1e-9), latency=4)


def test_every_decision_of_a_run_is_kept(runs):
    assert runs["adaptive"].control.strides == [20] + [4] * 28  # nothing moves at the first key-frame
    assert runs["stride 20"].control.strides == [20] * 7
    assert runs["stride 4"].control.frames == list(range(0, 131, 4))


def test_stride_and_key_frames_are_drawn_as_they_were(runs):
    figure = adaptive_run.draw(runs, RATE, thresholds=[0.2, 0.5])
    stride, ticks = figure.axes[1].lines
    assert list(stride.get_ydata()) == [20] + [4] * 29
    assert stride.get_xdata()[-1] == pytest.approx(131 / RATE)
    np.testing.assert_allclose(ticks.get_xdata(), np.array([0, *range(20, 131, 4)]) / RATE)


def test_errors_over_time_are_of_all_three_runs_with_their_means(runs):
    lines = adaptive_run.draw(runs, RATE, thresholds=[0.2, 0.5]).axes[2].lines
    assert [line.get_label().split(":")[0] for line in lines] == ["stride 4", "stride 20", "adaptive"]
    mean = frame_errors(runs["stride 20"].estimate).mean()
    assert f": {mean:.0f} mm" in lines[1].get_label()


def test_a_sheet_without_a_time_shows_the_fastest_interval():
    truth = np.zeros((61, 17, 3))
    truth[:, 5, 0] = np.cumsum(np.isin(np.arange(61), range(25, 35)))
    assert sheet.interval_at(truth, 20, RATE, None) == 20
    assert sheet.interval_at(truth, 20, RATE, 0.85) == 40


@pytest.mark.parametrize("seconds", [-0.1, 1.3])
def test_a_time_beyond_the_key_frames_is_refused(seconds):
    with pytest.raises(ValueError, match=r"^at "):
        sheet.interval_at(np.zeros((61, 17, 3)), 20, RATE, seconds)


def test_a_sequence_with_one_key_frame_is_refused():
    with pytest.raises(ValueError, match="stride"):
        sheet.interval_at(np.zeros((15, 17, 3)), 20, RATE, None)


def test_columns_of_a_sheet_show_which_poses_are_on_key_frames_and_their_errors(shown):
    estimate = protocols.offline(shown.model, shown.clips[0], 20)
    figure = sheet.draw(estimate, np.array([40, 50, 60]), RATE)
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert [title.split("\n")[0] for title in titles] == ["key-frame", "+10 frames", "key-frame"]
    assert f"1.00 s, {frame_errors(estimate)[50]:.0f} mm" in titles[1]


def test_estimate_and_truth_are_drawn_with_the_pelvis_at_one_place(shown):
    estimate = protocols.offline(shown.model, shown.clips[0], 20)
    lines = sheet.draw(estimate, np.array([40, 60]), RATE).axes[0].lines
    assert len(lines) == 2 * 16
    truth = metrics.root_relative(estimate.truth)[40]
    np.testing.assert_allclose(np.transpose(lines[0].get_data()), truth[[0, 1], :2])
    np.testing.assert_allclose(lines[16].get_data()[0][0], 0)


def test_errors_by_latency_count_frames_that_are_followed_by_the_longest_latency(shown):
    errors = latency.errors_at(shown, STRIDE, [0, 20])
    control = protocols.fixed(shown.model.config, STRIDE)
    expected = []
    for clip in shown.clips:
        frames = (len(clip.truth) - 1) // STRIDE * STRIDE + 1 - 20
        estimates = [protocols.offline(shown.model, clip, STRIDE)]
        estimates += [protocols.online(shown.model, clip, control, wait) for wait in (0, 20)]
        expected.append([frame_errors(estimate)[:frames] for estimate in estimates])
    np.testing.assert_allclose(errors, np.concatenate(expected, axis=1).mean(1))
    assert len(set(errors.round(6))) == 3


def test_a_latency_longer_than_every_sequence_is_refused(files):
    with pytest.raises(ValueError, match="latency"):
        latency.errors_at(load(files, sequence=["c/"]), 20, [40])


def test_offline_figures_are_dashed_lines_of_the_colour_of_the_curve():
    figure = latency.draw([0, 4], {4: np.array([40.0, 50, 45]), 20: np.array([60.0, 70, 65])}, RATE)
    curve, dashed, *_ = figure.axes[0].lines
    assert list(curve.get_ydata()) == [50, 45]
    assert list(dashed.get_ydata()) == [40, 40]
    assert curve.get_color() == dashed.get_color()


def test_a_training_log_is_read_as_it_was_written(files):
    columns = training_curve.read_log(files / "log.csv")
    np.testing.assert_allclose(columns["step"], [200, 400, 600])
    np.testing.assert_allclose(columns["loss_mm"], [45, 22.5, 15])


def test_errors_of_validation_before_and_after_a_refiner_share_a_panel():
    steps = np.array([1.0, 2.0])
    validation = {"noise_mpjpe_in": steps * 3, "noise_mpjpe_out": steps * 2, "uplifter_mpjpe_in": steps * 5}
    validation["uplifter_mpjpe_out"] = steps * 4
    figure = training_curve.draw({"step": steps, "loss": steps, "rate": steps, **validation, "minutes": steps})
    loss, rate, mpjpe = figure.axes
    assert [axes.get_ylabel() for axes in (loss, rate, mpjpe)] == ["loss", "learning rate", "MPJPE (mm)"]
    drawn = {line.get_label(): line.get_ydata()[0] for line in mpjpe.lines}
    assert drawn == {"noise: before": 3, "noise: after": 2, "uplifter: before": 5, "uplifter: after": 4}


def test_a_log_without_a_known_quantity_is_refused():
    with pytest.raises(ValueError, match="log"):
        training_curve.draw({"step": np.ones(2), "minutes": np.ones(2)})


@pytest.mark.parametrize("text", ["", "step,loss\n", "a,b\n1,2\n", "step,loss\n1\n", "step,loss\n1,x\n"])
def test_another_file_than_a_training_log_is_refused(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match="log"):
        training_curve.read_log(tmp_path / "log.csv")


COMMANDS = {
    "attention": ["--stride", "10"],
    "velocity": ["--stride", "20", "--noise", "detector"],
    "adaptive": ["--sequence", "a/walk/2", "--noise", "detector"],
    "sheet": ["--sequence", "a/walk/1"],
    "latency": ["--stride", "20", "--latency", "0", "20", "--sequence", "a"],
    "training": [],
}


def plot(files, kind: str, out, *options: str) -> int:
    given = ["--data", "{files}/data.npz", "--model", "{files}/tiny.safetensors"]
    given = (["--log", "{files}/log.csv"] if kind == "training" else given) + list(options)
    return cli.main(["plot", kind, "--out", str(out), *[text.format(files=files) for text in given]])


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_picture_is_written_and_its_path_printed_and_the_next_is_the_same(files, tmp_path, capsys, kind):
    first, second = tmp_path / "new" / "first.png", tmp_path / "second.png"
    assert plot(files, kind, first, *COMMANDS[kind]) == 0
    assert capsys.readouterr().out == f"{first}\n"
    assert plot(files, kind, second, *COMMANDS[kind]) == 0
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("attention", ["--stride", "3"], "stride"),
        ("velocity", ["--stride", "5"], "stride"),
        ("adaptive", ["--sequence", "a/walk/2", "--threshold", "0"], "velocity_threshold"),
        ("sheet", ["--sequence", "none"], "'none'"),
        ("latency", ["--latency", "41"], "latency"),
        ("latency", ["--model", "nothing"], "'nothing'"),
    ],
)
def test_bad_input_is_refused_in_one_line(files, tmp_path, capsys, kind, options, reason):
    assert plot(files, kind, tmp_path / "out.png", *options) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("uplift plot: ")
    assert reason in error
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("name", ["out", "out.txt"])
def test_a_picture_of_unknown_format_is_refused_before_anything_is_computed(tmp_path, capsys, name):
    assert plot(tmp_path, "velocity", tmp_path / name) == 1
    assert "out " in capsys.readouterr().err
