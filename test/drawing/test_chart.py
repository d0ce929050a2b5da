import numpy as np
import pytest

from uplift_ros.drawing.chart import BRIGHT, FUTURE, STRIDE, VELOCITY, StripChart

VELOCITIES = np.array([(0.0, 0.1), (4.0, 0.1), (5.0, 0.9), (10.0, 0.9)])
STRIDES = np.array([(0.0, 20.0), (5.0, 4.0)])


@pytest.fixture
def chart() -> StripChart:
    return StripChart(600, 120, 10.0, VELOCITIES, STRIDES, np.arange(0, 10, 0.4))


def rows_of(image: np.ndarray, colour: tuple[int, int, int], columns: slice) -> np.ndarray:
    return np.nonzero((np.abs(image[:, columns].astype(int) - colour).sum(-1) < 30).any(1))[0]


def test_the_curves_rise_and_fall_with_their_values(chart):
    image = chart.at(10.0)
    early, late = slice(200, 300), slice(450, 560)
    assert rows_of(image, VELOCITY, late).min() < rows_of(image, VELOCITY, early).min()
    assert rows_of(image, STRIDE, late).max() > rows_of(image, STRIDE, early).max()


def test_the_cursor_moves_with_time(chart):
    def cursor(seconds: float) -> int:
        bright = (chart.at(seconds)[10:100, 160:] == BRIGHT).all(-1).sum(0)
        return int(bright.argmax())

    assert cursor(1.0) < cursor(5.0) < cursor(9.0)


def test_the_future_is_faint(chart):
    begin, end = chart.at(0.0), chart.at(10.0)
    future = slice(200, 580)
    assert begin[:, future].max() <= end[:, future].max() * FUTURE + 20


@pytest.mark.parametrize(("velocities", "strides"), [(np.empty((0, 2)), np.empty((0, 2))), ([[0.0, np.nan]], STRIDES)])
def test_a_run_without_people_or_strides_is_an_empty_chart(velocities, strides):
    image = StripChart(600, 120, 10.0, np.array(velocities), strides, np.empty(0)).at(5.0)
    assert image.shape == (120, 600, 3)
    assert len(rows_of(image, VELOCITY, slice(160, 590))) == 0
