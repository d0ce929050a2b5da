import subprocess
import sys

import pytest
import yaml
from support.places import ROOT

from uplift_ros.parameters import AUTOSTART, TABLES, Parameter, to_yaml

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


def test_yaml_gives_back_every_default_in_its_type():
    parsed = yaml.safe_load(to_yaml())
    for node, parameter in EVERY:
        value = parsed[f"/**/{node}"]["ros__parameters"][parameter.name]
        assert (type(value), value) == (type(parameter.default), parameter.default)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        pytest.param(Parameter("stride", 10, "", 1, 100), 0, id="outside its range"),
        pytest.param(Parameter("fps", 50.0, "", 0.0, 240.0), float("nan"), id="not a number"),
        pytest.param(Parameter("method", "synsp", "", choices=("synsp", "none")), "kalman", id="not of its choices"),
        pytest.param(Parameter("loop", False, ""), 1, id="another type"),
        pytest.param(Parameter("stride", 10, "", 1, 100), 2.5, id="a fraction for an integer"),
        pytest.param(Parameter("source", "synthetic", ""), None, id="missing"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(parameter, value):
    with pytest.raises(ValueError, match=f"^parameter {parameter.name} .*{value}"):
        parameter.check(value)


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
    assert printed == (ROOT / path).read_text(), f"run: python {' '.join(command[1:])} > {path}"
