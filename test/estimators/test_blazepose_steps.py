import cv2
import numpy as np
import pytest

from uplift_ros.estimators import blazepose_steps


def test_every_output_of_the_detector_has_its_anchor():
    anchors = blazepose_steps.anchors()
    assert anchors.shape == (2254, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2, 2253]], np.array([[1, 1], [1, 1], [3, 1], [52, 52]]) / 56)


def test_detections_are_offsets_from_their_anchors_above_the_threshold():
    boxes, logits = np.zeros((2254, 12)), np.full((2254, 1), -20.0)
    boxes[2253, :6] = [22.4, 0, 44.8, 67.2, 0, -22.4]
    logits[2253], logits[5] = 2.0, 0.0
    found, scores = blazepose_steps.decode_detections(boxes, logits, 0.7)
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-2.0))])
    np.testing.assert_allclose(found[0, :6], [6.5 / 7 + 0.1, 6.5 / 7, 0.2, 0.3, 6.5 / 7, 6.5 / 7 - 0.1])


def test_overlapping_detections_become_their_mean_weighted_by_score():
    found = np.zeros((3, 12))
    found[:, :4] = [[0.5, 0.5, 0.2, 0.2], [0.53, 0.5, 0.2, 0.2], [0.9, 0.5, 0.2, 0.2]]
    merged, scores = blazepose_steps.merge_detections(found, np.array([0.9, 0.6, 0.5]))
    np.testing.assert_allclose(merged[:, 0], [(0.9 * 0.5 + 0.6 * 0.53) / 1.5, 0.9])
    assert scores.tolist() == [0.9, 0.5]


def test_a_landmark_moves_to_its_peak_only_where_the_heat_map_is_certain():
    heat_map = np.full((64, 64, 3), -20.0)
    heat_map[30, 21, 0] = 3.0  # two cells right of the landmark
    heat_map[30, 21, 1] = -1.0  # below one half
    heat_map[0, 0, 2] = 3.0
    points = np.array([[19.5, 30.5], [19.5, 30.5], [-3.0, 5.0]]) / 64
    refined = blazepose_steps.refine(points, heat_map)
    np.testing.assert_allclose(refined[0], [21 / 64, 30 / 64], atol=1e-4)
    np.testing.assert_array_equal(refined[1:], points[1:])


def test_a_region_turns_with_the_person():
    region = blazepose_steps.Region.around(
        np.array([100.0, 100.0]), np.array([140.0, 100.0])
    )  # lies with the head right
    assert region.side == pytest.approx(2 * 1.25 * 40)
    np.testing.assert_allclose(region.to_image(np.array([0.5, 0.1])), [140, 100])
    image = np.zeros((200, 200, 3), np.uint8)
    image[95:106, 125:136] = 255
    row, column = np.argwhere(region.cut(image, 100, cv2.BORDER_CONSTANT)[..., 0] > 128).mean(0)
    assert (row, column) == (pytest.approx(20, abs=1), pytest.approx(50, abs=1)), "above the middle"


def test_several_people_are_looked_for_in_squares_that_reach_both_edges():
    whole, *squares = blazepose_steps.detector_views(np.zeros((270, 480, 3), np.uint8), 2)
    assert (whole.side, len(squares)) == (480, 5)
    assert squares[0].box[0] == pytest.approx(0)
    assert squares[-1].box[:1] + squares[-1].side == pytest.approx(480)
    assert len(blazepose_steps.detector_views(np.zeros((480, 270, 3), np.uint8), 2)) == 1, "upright"
