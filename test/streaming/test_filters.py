"""Classical filters: their effect on signals, and their use of stamps."""

import numpy as np
import pytest
import scipy.signal

from uplift_ros.streaming.filters import OneEuro, PassThrough, SavitzkyGolay

RNG = np.random.default_rng(4)


def stamps(seconds: np.ndarray) -> list[int]:
    return [int(1e9 * t) for t in seconds]


def run(smoother, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    ready = [out for value, stamp in zip(values, stamps(times), strict=True) for out in smoother.push(value, stamp)]
    return np.array(ready + smoother.flush())


def test_one_euro_starts_at_the_first_value():
    value = RNG.normal(size=(17, 3))
    np.testing.assert_array_equal(OneEuro().push(value, 0)[0], value)


def test_one_euro_without_beta_settles_by_its_time_constant_at_any_rate():
    """After a step, a first-order low-pass of 1 Hz has 1 - exp(-2 pi t) of it."""
    for rate in (30, 50, 120):
        times = np.arange(0, 0.3, 1 / rate)
        step = (times > 0).astype(float)
        steady = run(OneEuro(min_cutoff=1.0, beta=0.0), step, times)
        expected = 1 - np.exp(-2 * np.pi * times)
        assert np.abs(steady - expected).max() < 0.08


def test_one_euro_gives_nearly_the_same_signal_at_30_and_at_50_hz():
    def smoothed(values_rate: int, stamp_rate: int) -> np.ndarray:
        values = 0.3 * np.sin(2 * np.pi * np.arange(0, 2.001, 1 / values_rate))
        frames = np.arange(len(values))
        return np.interp(
            np.arange(0.5, 1.9, 0.1), frames / values_rate, run(OneEuro(beta=0.1), values, frames / stamp_rate)
        )

    assert np.abs(smoothed(30, stamp_rate=30) - smoothed(50, stamp_rate=50)).max() < 0.01
    assert np.abs(smoothed(30, stamp_rate=50) - smoothed(50, stamp_rate=50)).max() > 0.04


def test_one_euro_calms_a_still_joint_and_follows_a_fast_one():
    times = np.arange(200) / 50
    noise = 0.01 * RNG.normal(size=200)
    assert run(OneEuro(), noise, times)[50:].std() < 0.5 * noise.std()
    ramp = 5.0 * times
    assert np.abs(run(OneEuro(), ramp, times) - ramp)[50:].max() < 0.3


def test_one_euro_treats_every_coordinate_alone():
    times = np.arange(30) / 50
    values = RNG.normal(size=(30, 17, 3))
    together = run(OneEuro(), values, times)
    alone = run(OneEuro(), values[:, 4, 2], times)
    np.testing.assert_allclose(together[:, 4, 2], alone)


@pytest.mark.parametrize("delay", [0, 3, 7, 14])
def test_savitzky_golay_has_scipys_coefficients_on_even_stamps(delay):
    values = RNG.normal(size=(15, 17, 3))
    smoothed = run(SavitzkyGolay(delay), values, np.arange(15) / 50)
    weights = scipy.signal.savgol_coeffs(15, 2, pos=14 - delay, use="dot")
    np.testing.assert_allclose(smoothed[14 - delay], np.tensordot(weights, values, 1), atol=1e-9)


def test_savitzky_golay_with_a_centred_window_equals_scipys_filter():
    values = RNG.normal(size=60)
    smoothed = run(SavitzkyGolay(7), values, np.arange(60) / 50)
    np.testing.assert_allclose(smoothed[14:], scipy.signal.savgol_filter(values, 15, 2)[14:], atol=1e-9)


@pytest.mark.parametrize("delay", [0, 2, 7])
def test_savitzky_golay_leaves_a_parabola_alone_however_uneven_the_stamps(delay):
    times = np.cumsum(RNG.uniform(0.01, 0.05, 40))
    parabola = 1 + 2 * times - 3 * times**2
    np.testing.assert_allclose(run(SavitzkyGolay(delay), parabola, times), parabola, atol=1e-6)


@pytest.mark.parametrize("delay", [0, 3, 7])
@pytest.mark.parametrize("frames", [1, 2, 5, 20])
def test_savitzky_golay_gives_every_frame_once(delay, frames):
    assert len(run(SavitzkyGolay(delay), np.zeros((frames, 17, 3)), np.arange(frames) / 50)) == frames


@pytest.mark.parametrize("smoother", [OneEuro(), SavitzkyGolay(0)])
def test_a_stamp_that_does_not_increase_is_refused(smoother):
    smoother.push(np.zeros(3), 1000)
    with pytest.raises(ValueError, match="stamp"):
        smoother.push(np.zeros(3), 1000)


def test_one_euro_is_the_papers_recursion():
    """Casiez et al., CHI 2012, with its smoothing factor 1 / (1 + tau / T); speeds are against the filtered value."""

    def factor(cutoff: float, period: float) -> float:
        return 1 / (1 + 1 / (2 * np.pi * cutoff) / period)

    times = np.cumsum(RNG.uniform(0.01, 0.04, 20))
    values = RNG.normal(size=20)
    rounded = np.array(stamps(times)) * 1e-9
    smooth, speed, expected = values[0], 0.0, [values[0]]
    for value, period in zip(values[1:], np.diff(rounded), strict=True):
        share = factor(50.0, period)
        speed = share * (value - smooth) / period + (1 - share) * speed
        share = factor(2.0 + 0.7 * abs(speed), period)
        smooth = share * value + (1 - share) * smooth
        expected.append(smooth)
    np.testing.assert_allclose(run(OneEuro(), values, times), expected)


def test_passing_through_gives_every_value_at_once_and_none_later():
    value = RNG.normal(size=(17, 3))
    through = PassThrough()
    assert through.push(value, 5)[0] is value
    assert through.flush() == []


def test_a_filter_without_beta_is_in_range():
    assert len(OneEuro(min_cutoff=0.5, beta=0.0, derivative_cutoff=0.5).push(np.zeros(3), 0)) == 1


def test_a_window_of_one_frame_and_a_line_of_order_zero_are_in_range():
    value = RNG.normal(size=3)
    np.testing.assert_allclose(SavitzkyGolay(0, 1, 0).push(value, 0)[0], value)


@pytest.mark.parametrize("wrong", [{"min_cutoff": 0.0}, {"beta": -1.0}, {"derivative_cutoff": 0.0}])
def test_one_euro_refuses_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OneEuro(**wrong)


@pytest.mark.parametrize(
    ("delay", "window", "order", "named"),
    [(15, 15, 2, "delay"), (-1, 15, 2, "delay"), (0, 3, 3, "order"), (0, 3, -1, "order")],
)
def test_savitzky_golay_refuses_parameters_out_of_range(delay, window, order, named):
    with pytest.raises(ValueError, match=named):
        SavitzkyGolay(delay, window, order)


@pytest.mark.parametrize("delay", [0, 3, 7])
def test_the_derivative_of_the_fit_is_that_of_a_parabola(delay):
    seconds = np.arange(30) / 50
    fitted = run(SavitzkyGolay(delay, with_derivative=True), (1 + 2 * seconds + 3 * seconds**2)[:, None], seconds)
    np.testing.assert_allclose(fitted[5:, 1, 0], (2 + 6 * seconds)[5:], atol=1e-6)


def test_a_constant_has_no_derivative_to_fit():
    with pytest.raises(ValueError, match="order"):
        SavitzkyGolay(0, 5, 0, with_derivative=True)
