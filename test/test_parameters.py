import subprocess
import sys

import pytest
import yaml
from support.places import ROOT

from uplift_ros.parameters import AUTOSTART, TABLES, Parameter, to_yaml
from uplift_ros.paths import share_folder

EVERY = [(node, parameter) for node, table in TABLES.items() for parameter in table]


@pytest.mark.parametrize(("node", "parameter"), EVERY, ids=[f"{node}.{p.name}" for node, p in EVERY])
def test_every_default_is_allowed(node, parameter):
    assert parameter.check(parameter.default) == parameter.default


@pytest.mark.parametrize(("node", "parameter"), EVERY, ids=[f"{node}.{p.name}" for node, p in EVERY])
def test_every_parameter_is_described_in_a_sentence(node, parameter):
    assert parameter.description.endswith(".")


@pytest.mark.parametrize("node", TABLES)
def test_every_node_has_autostart_as_the_document_says(node):
    assert AUTOSTART in TABLES[node]


def test_the_committed_yaml_is_the_generated_one():
    committed = (share_folder() / "config" / "uplift.yaml").read_text()
    assert committed == to_yaml(), "run: python -m uplift_ros.parameters > config/uplift.yaml"


def test_yaml_gives_back_every_default_in_its_type():
    parsed = yaml.safe_load(to_yaml())
    for node, parameter in EVERY:
        value = parsed[f"/**/{node}"]["ros__parameters"][parameter.name]
        assert (type(value), value) == (type(parameter.default), parameter.default)


def test_a_number_outside_its_range_is_refused_with_name_range_and_value():
    with pytest.raises(ValueError, match="stride"):
        Parameter("stride", 10, "", 1, 100).check(0)


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="fps"):
        Parameter("fps", 50.0, "", 0.0, 240.0).check(float("nan"))


def test_a_text_outside_its_choices_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="method"):
        Parameter("method", "synsp", "", choices=("synsp", "none")).check("kalman")


def test_a_wrong_type_is_refused():
    with pytest.raises(ValueError, match="loop"):
        Parameter("loop", False, "").check(1)


def test_a_fraction_is_no_integer():
    with pytest.raises(ValueError, match="stride"):
        Parameter("stride", 10, "", 1, 100).check(2.5)


def test_a_missing_value_is_refused():
    with pytest.raises(ValueError, match="source"):
        Parameter("source", "synthetic", "").check(None)


def test_a_whole_number_serves_as_a_number():
    value = Parameter("fps", 50.0, "").check(30)
    assert (type(value), value) == (float, 30.0)


def test_a_webcam_number_serves_as_a_source():
    assert Parameter("source", "synthetic", "").check(0) == "0"


@pytest.mark.parametrize(
    ("options", "path"), [((), "config/uplift.yaml"), (("--markdown",), "docs/PARAMETERS.md")], ids=["yaml", "markdown"]
)
def test_the_documented_command_prints_the_committed_file(options, path):
    command = [sys.executable, "-m", "uplift_ros.parameters", *options]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (ROOT / path).read_text()
