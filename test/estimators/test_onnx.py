"""The ONNX backend with small networks of constant output."""

from pathlib import Path

import numpy as np
import pytest
from support.networks import HEIGHT, WIDTH, network

from uplift_ros import estimators
from uplift_ros.estimators import decoders

onnx = pytest.importorskip("onnx", reason="onnx, which makes the test networks, is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from uplift_ros.estimators import onnx as backend  # noqa: E402
from uplift_ros.models import runtime  # noqa: E402

OPTIONS = {"device": "cpu", "max_persons": 1, "score_threshold": 0.5, "person_class": 0}


def joints_at(x: float, y: float) -> np.ndarray:
    """COCO joints (17, 2) in a small cloud around a point."""
    return np.stack([x + np.arange(17) % 5, y + 2.0 * (np.arange(17) // 5)], -1)


def simcc_outputs(joints: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of RTMPose for joints in input pixels: bins of half a pixel."""
    x, y = np.zeros((1, 17, 2 * WIDTH)), np.zeros((1, 17, 2 * HEIGHT))
    bins = (2 * joints).astype(int)
    x[0, np.arange(17), bins[:, 0]] = 0.9
    y[0, np.arange(17), bins[:, 1]] = 0.8
    return {"simcc_x": x, "simcc_y": y}


def coco_shoulder(persons) -> np.ndarray:
    """The left shoulder, which COCO and h36m17 share."""
    return persons[0].keypoints[11]


def test_simcc_gives_joints_in_pixels_of_the_whole_image(tmp_path):
    joints = joints_at(20, 30)
    path = network(tmp_path / "pose.onnx", simcc_outputs(joints))
    estimator = estimators.create("onnx", OPTIONS | {"model_path": path})
    (person,) = estimator.estimate(np.zeros((4 * HEIGHT, 4 * WIDTH, 3), np.uint8))
    assert np.allclose(coco_shoulder([person]), 4 * joints[5])
    assert np.allclose(person.scores, 0.8)
    estimator.close()


def test_an_image_of_another_aspect_ratio_is_not_distorted(tmp_path):
    path = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30)))
    estimator = estimators.create("onnx", OPTIONS | {"model_path": path})
    persons = estimator.estimate(np.zeros((HEIGHT, 10 * WIDTH, 3), np.uint8))
    assert np.allclose(coco_shoulder(persons), 10 * joints_at(20, 30)[5])


def test_heat_maps_give_cells_with_a_quarter_towards_the_higher_neighbour():
    maps = np.zeros((1, 17, 16, 12))
    maps[0, :, 8, 6], maps[0, :, 8, 7], maps[0, :, 7, 6] = 0.9, 0.5, 0.4
    x, y, score = decoders.heat_maps(maps)[0, 3]
    assert (x, y, score) == (6.75 / 12, 8.25 / 16, 0.9)


def test_a_network_with_heat_maps_is_recognised(tmp_path):
    maps = np.zeros((1, 17, 16, 12))
    maps[0, :, 8, 6] = 0.9
    path = network(tmp_path / "pose.onnx", {"heatmap": maps}, batch=1)
    (person,) = estimators.create("onnx", OPTIONS | {"model_path": path}).estimate(np.zeros((128, 96, 3), np.uint8))
    assert np.abs(person.keypoints[11] - (6.5 * 8, 8.5 * 8)).max() <= 2


def people(*scores: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (1, N, 5) and joints (1, N, 17, 3) of people 15 pixels apart."""
    boxes = np.array([[15.0 * n, 10, 15.0 * n + 9, 40, score] for n, score in enumerate(scores)])
    joints = np.stack([np.c_[joints_at(15 * n, 12), np.full(17, 0.7)] for n in range(len(scores))])
    return boxes[None], joints[None]


def test_a_single_stage_network_gives_several_people_the_most_certain_first(tmp_path):
    boxes, joints = people(0.6, 0.9, 0.3)
    path = network(tmp_path / "rtmo.onnx", {"dets": boxes, "keypoints": joints})
    estimator = estimators.create("onnx", OPTIONS | {"model_path": path, "max_persons": 5})
    persons = estimator.estimate(np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8))
    assert [round(person.score, 3) for person in persons] == [0.9, 0.6]
    assert np.allclose(coco_shoulder(persons), 2 * joints[0, 1, 5, :2])


def test_boxes_of_one_person_are_distinguished_from_two_people():
    boxes, joints = people(0.9, 0.8)
    boxes = np.concatenate([boxes, boxes[:, :1] + (1, 1, 1, 1, -0.2)], 1)
    found = decoders.distinct(decoders.corner_boxes(boxes, joints[:, [0, 1, 0]]), 0.5, 5)
    assert found.scores.tolist() == [0.9, 0.8]


def test_rows_of_anchors_give_people(tmp_path):
    joints = np.c_[joints_at(20, 30), np.full(17, 0.7)]
    output = np.zeros((1, 56, 8))
    output[0, :, 3] = [24, 34, 12, 20, 0.9, *joints.ravel()]
    path = network(tmp_path / "yolo.onnx", {"output0": output}, batch=1)
    (person,) = estimators.create("onnx", OPTIONS | {"model_path": path}).estimate(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    )
    assert np.allclose(person.keypoints[11], joints[5, :2], atol=1e-4)
    assert person.score == pytest.approx(0.9)


def test_a_person_detector_selects_the_region_of_the_pose_network(tmp_path):
    boxes = np.array([[[10.0, 8, 22, 40, 0.9], [30, 8, 42, 40, 0.8]]])
    detector = network(tmp_path / "det.onnx", {"dets": boxes, "labels": np.zeros((1, 2))})
    pose = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(WIDTH / 2, HEIGHT / 2) - joints_at(0, 0)[5]))
    estimator = estimators.create("onnx", OPTIONS | {"model_path": f"{detector}, {pose}", "max_persons": 2})
    persons = estimator.estimate(np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8))
    shoulders = sorted(person.keypoints[11].tolist() for person in persons)
    assert np.allclose(shoulders, [(2 * 16, 2 * 24), (2 * 36, 2 * 24)])  # the middle of each box


def test_no_person_found_is_an_empty_list(tmp_path):
    boxes, joints = people(0.2)
    path = network(tmp_path / "rtmo.onnx", {"dets": boxes, "keypoints": joints})
    assert estimators.create("onnx", OPTIONS | {"model_path": path}).estimate(np.zeros((64, 64, 3), np.uint8)) == []


@pytest.mark.parametrize("bad", ["", "missing.onnx", "text.onnx", "weights.safetensors"])
def test_a_file_that_is_no_network_is_refused_by_name(tmp_path, bad, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.onnx").write_text("no network")
    Path("weights.safetensors").write_text("")
    with pytest.raises(ValueError, match="model_path"):
        estimators.create("onnx", OPTIONS | {"model_path": bad})


def test_a_network_of_other_joints_is_refused(tmp_path):
    path = network(tmp_path / "hand.onnx", {"x": np.zeros((1, 5, 96)), "y": np.zeros((1, 5, 128))})
    with pytest.raises(ValueError, match=r"model_path.*simcc_x"):
        estimators.create("onnx", OPTIONS | {"model_path": path})


def test_several_people_need_a_detector_before_a_top_down_network(tmp_path):
    path = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30)))
    with pytest.raises(ValueError, match="max_persons"):
        estimators.create("onnx", OPTIONS | {"model_path": path, "max_persons": 2})


def test_a_detector_alone_finds_no_joints(tmp_path):
    boxes, _ = people(0.9)
    path = network(tmp_path / "det.onnx", {"dets": boxes, "labels": np.zeros((1, 1))})
    with pytest.raises(ValueError, match="model_path"):
        estimators.create("onnx", OPTIONS | {"model_path": path})


def test_a_device_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    path = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30)))
    with pytest.raises(ValueError, match="device"):
        estimators.create("onnx", OPTIONS | {"model_path": path, "device": "cuda"})


@pytest.mark.parametrize("size", [("height", "width"), (HEIGHT, "width")])
def test_a_network_for_pictures_of_any_size_is_refused(tmp_path, size):
    path = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30)), *size)
    with pytest.raises(ValueError, match=r"model_path: .*pose\.onnx"):
        estimators.create("onnx", OPTIONS | {"model_path": path})


def test_the_pose_network_does_not_run_if_the_detector_finds_no_person(tmp_path, monkeypatch):
    boxes = np.array([[[10.0, 8, 22, 40, 0.2]]])
    detector = network(tmp_path / "det.onnx", {"dets": boxes, "labels": np.zeros((1, 1))})
    pose = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30)))
    estimator = estimators.create("onnx", OPTIONS | {"model_path": f"{detector},{pose}"})
    monkeypatch.setattr(estimator._network, "run", lambda _: pytest.fail("the pose network ran"))
    assert estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8)) == []


@pytest.mark.parametrize("kind", ["single stage", "top down", "detector and top down"])
def test_a_closed_estimator_has_let_go_of_its_networks(tmp_path, kind):
    boxes, joints = people(0.9)
    paths = {
        "single stage": lambda: network(tmp_path / "rtmo.onnx", {"dets": boxes, "keypoints": joints}),
        "top down": lambda: network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30))),
        "detector": lambda: network(tmp_path / "det.onnx", {"dets": boxes, "labels": np.zeros((1, 1))}),
    }
    estimator = estimators.create(
        "onnx", OPTIONS | {"model_path": ",".join(paths[part]() for part in kind.split(" and "))}
    )
    estimator.close()
    with pytest.raises(AttributeError):
        estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_a_device_whose_provider_does_not_start_is_refused_by_name(tmp_path, monkeypatch):
    path = network(tmp_path / "pose.onnx", simcc_outputs(joints_at(20, 30)))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*runtime.PROVIDERS.values()])
    with pytest.raises(ValueError, match="cuda:1"):
        estimators.create("onnx", OPTIONS | {"model_path": path, "device": "cuda:1"})


# ---------------------------------------------------------------- files of other exporters


def retyped(path: str, kind: str, batch=None) -> str:
    """Change the network's input type, of which its nodes read only the shape."""
    model = onnx.load(path)
    given = model.graph.input[0].type.tensor_type
    given.elem_type = getattr(onnx.TensorProto, kind)
    if batch:
        given.shape.dim[0].dim_value = batch
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("kind", ["FLOAT16", "UINT8", "DOUBLE"])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_other_types_and_fixed_batches_are_served(tmp_path, kind, batch):
    path = network(tmp_path / "simcc.onnx", simcc_outputs(joints_at(20, 30)))
    estimator = backend.create(model_path=retyped(path, kind, batch), **OPTIONS)
    (person,) = estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    np.testing.assert_allclose(person.keypoints[4], joints_at(20, 30)[11], atol=1)


@pytest.mark.parametrize("kind", ["INT64", "STRING", "BOOL"])
def test_a_type_that_no_picture_has_is_refused_with_input_type_and_shape(tmp_path, kind):
    path = retyped(network(tmp_path / "simcc.onnx", simcc_outputs(joints_at(20, 30))), kind)
    with pytest.raises(ValueError, match=rf"simcc\.onnx .*'image' tensor.*{HEIGHT}, {WIDTH}") as error:
        backend.create(model_path=path, **OPTIONS)
    assert "\n" not in str(error.value)


def test_a_network_that_fails_is_refused_when_it_is_loaded(tmp_path):
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", number, ["N", 3, HEIGHT, WIDTH])
    maps = helper.make_tensor_value_info("maps", number, ["N", 17, 8, 8])
    wrong = onnx.numpy_helper.from_array(np.array([2, 17, 8, 8], np.int64), "wrong")
    nodes = [helper.make_node("Reshape", ["image", "wrong"], ["maps"])]
    graph = helper.make_graph(nodes, "test", [image], [maps], [wrong])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "odd.onnx"
    )
    with pytest.raises(ValueError, match=r"odd\.onnx.*'image'") as error:
        backend.create(model_path=str(tmp_path / "odd.onnx"), **OPTIONS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [("simcc_y", "simcc_x"), ("b", "a")])
def test_the_axes_of_simcc_follow_from_name_or_length(tmp_path, names):
    given = simcc_outputs(joints_at(20, 30))
    swapped = {names[0]: given["simcc_y"], names[1]: given["simcc_x"]}
    estimator = backend.create(model_path=network(tmp_path / "simcc.onnx", swapped), **OPTIONS)
    (person,) = estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    np.testing.assert_allclose(person.keypoints[4], joints_at(20, 30)[11], atol=1)


@pytest.mark.parametrize("names", [("simcc_y", "simcc_x"), ("b", "a")])
def test_the_axes_of_square_pictures_follow_from_names_alone(tmp_path, names):
    given = simcc_outputs(joints_at(20, 30))
    given["simcc_x"] = np.pad(given["simcc_x"], ((0, 0), (0, 0), (0, 2 * HEIGHT - 2 * WIDTH)))
    swapped = dict(zip(names, reversed(given.values()), strict=True))
    path = network(tmp_path / "simcc.onnx", swapped, width=HEIGHT)
    if names == ("b", "a"):
        with pytest.raises(ValueError, match=r"simcc\.onnx.*named"):
            backend.create(model_path=path, **OPTIONS)
    else:
        (person,) = backend.create(model_path=path, **OPTIONS).estimate(np.zeros((HEIGHT, HEIGHT, 3), np.uint8))
        np.testing.assert_allclose(person.keypoints[4], joints_at(20, 30)[11], atol=1)


def test_a_suffix_in_capitals_is_read(tmp_path):
    estimator = backend.create(model_path=network(tmp_path / "POSE.ONNX", simcc_outputs(joints_at(20, 30))), **OPTIONS)
    assert len(estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8))) == 1


@pytest.mark.parametrize("wrong", [np.inf, np.nan, -1.0])
def test_boxes_without_a_size_or_not_finite_are_no_people(tmp_path, wrong):
    boxes, joints = people(0.6, 0.9)
    boxes[0, 1, 2] = wrong
    path = network(tmp_path / "rtmo.onnx", {"dets": boxes, "keypoints": joints})
    estimator = estimators.create("onnx", OPTIONS | {"model_path": path, "max_persons": 5})
    (person,) = estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert person.score == pytest.approx(0.6)


@pytest.mark.parametrize(("person_class", "x"), [(0, 10), (16, 40)])
def test_only_boxes_with_the_label_of_people_are_people(tmp_path, person_class, x):
    boxes = np.array([[[4, 4, 16, 60, 0.7], [34, 4, 46, 60, 0.9]]])
    detector = network(tmp_path / "dets.onnx", {"dets": boxes, "labels": np.array([[0, 16]])})
    pose = network(tmp_path / "simcc.onnx", simcc_outputs(joints_at(WIDTH / 2, HEIGHT / 2)))
    estimator = backend.create(
        model_path=f"{detector},{pose}", **OPTIONS | {"max_persons": 3, "person_class": person_class}
    )
    (person,) = estimator.estimate(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert person.keypoints[:, 0].mean() == pytest.approx(x, abs=5)
