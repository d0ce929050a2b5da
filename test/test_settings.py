import argparse
from pathlib import Path

import pytest

from uplift_ros import settings
from uplift_ros.parameters import TABLES
from uplift_ros.paths import share_folder


@pytest.fixture
def load(tmp_path: Path):
    """Settings of a parameter file with this text, and of overrides."""

    def load(text: str, **overrides) -> settings.Settings:
        path = tmp_path / "parameters.yaml"
        path.write_text(text)
        return settings.load(path, overrides)

    return load


def defaults() -> settings.Settings:
    return {node: {known.name: known.default for known in table} for node, table in TABLES.items()}


def test_without_a_file_everything_has_its_default():
    assert settings.load(None, {}) == defaults()


def test_the_shipped_file_says_the_same():
    assert settings.load(share_folder() / "config" / "uplift.yaml", {}) == defaults()


@pytest.mark.parametrize("node", ["uplift", "/uplift", "/**/uplift", "/robot/head/uplift"])
def test_a_node_is_meant_in_every_namespace(load, node):
    assert load(f"{node}: {{ros__parameters: {{latency: 8}}}}")["uplift"]["latency"] == 8


def test_namespaces_may_be_nested(load):
    assert load("robot: {uplift: {ros__parameters: {latency: 8}}}")["uplift"]["latency"] == 8


def test_a_wildcard_reaches_the_nodes_that_know_the_parameter(load):
    found = load("/**: {ros__parameters: {device: cuda, latency: 8, unknown: 1}}")
    assert (found["uplift"]["device"], found["refiner"]["device"], found["uplift"]["latency"]) == ("cuda", "cuda", 8)
    assert "unknown" not in found["uplift"]


def test_other_nodes_and_parameters_of_ros_itself_do_not_matter(load):
    assert (
        load(
            "driver: {ros__parameters: {gain: 3}}\n"
            "uplift: {ros__parameters: {use_sim_time: true, qos_overrides./raw.publisher.depth: 5}}"
        )
        == defaults()
    )


def test_overrides_come_before_the_file(load):
    found = load("uplift: {ros__parameters: {latency: 8, stride: 4}}", uplift={"stride": 20})
    assert (found["uplift"]["latency"], found["uplift"]["stride"]) == (8, 20)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("uplift: {ros__parameters: {laency: 8}}", "uplift .*'laency'"),
        ("uplift: {ros__parameters: {latency: soon}}", "latency .*'soon'"),
        ("uplift: {latency: 8}", "ros__parameters.* /uplift/latency"),
        ("uplift: {ros__parameters: 8}", "ros__parameters of /uplift "),
        ("", "ros__parameters"),
        ("uplift: {ros__parameters: {", "parsing"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(load, text, named):
    with pytest.raises(ValueError, match=rf"--params .*parameters\.yaml: .*{named}"):
        load(text)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    settings.add_arguments(parser)
    return parser.parse_args(arguments)


def test_a_number_as_stride_fixes_it_in_both_nodes():
    overrides = settings.stride_overrides(parse("--stride", "20").stride)
    assert overrides == {"uplift": {"stride_mode": "fixed", "stride": 20}, "pose_estimator": {"stride": 20}}


def test_the_stride_may_be_adaptive_or_left_alone():
    assert settings.stride_overrides(parse("--stride", "adaptive").stride) == {"uplift": {"stride_mode": "adaptive"}}
    assert settings.stride_overrides(parse().stride) == {}


@pytest.mark.parametrize("stride", ["0", "often", "-4", "2.5"])
def test_another_stride_is_refused_with_what_is_allowed(stride):
    with pytest.raises(ValueError, match="stride"):
        settings.stride_overrides(stride)


def test_a_parameter_file_that_is_not_there_is_named():
    with pytest.raises(argparse.ArgumentError, match=r"nowhere\.yaml"):
        parse("--params", "nowhere.yaml")


def test_a_node_whose_name_is_mistyped_is_refused_and_a_foreign_one_is_not(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("/**/upliftt: {ros__parameters: {latency: 8}}")
    with pytest.raises(ValueError, match=r"node .*upliftt.*uplift"):
        settings.load(file, {})
    file.write_text("/camera_driver: {ros__parameters: {latency: 8}}")
    assert settings.load(file, {}) == settings.load(None, {})


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("70", 70)])
def test_a_whole_number_is_at_least_the_minimum(text, value):
    assert settings.at_least(2)(text) == value


def test_a_whole_number_is_at_most_the_maximum():
    assert settings.at_least(2, 9)("9") == 9
    with pytest.raises(argparse.ArgumentTypeError, match=r"9.*10$"):
        settings.at_least(2, 9)("10")


@pytest.mark.parametrize("text", ["1", "-3", "2.5", "nan", ""])
def test_what_is_no_whole_number_from_the_minimum_on_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"2.*{text}$"):
        settings.at_least(2)(text)


@pytest.mark.parametrize("where", ["", "folder", "file/out.json", "/proc/out.json"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(argparse.ArgumentTypeError, match=where or "''"):
        settings.output(where)
    assert settings.output("new/out.json") == Path("new/out.json")
