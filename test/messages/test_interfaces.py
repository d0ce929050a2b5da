"""The messages from C++ and Python: fields, constants, and comments on every field."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

from uplift_ros.messages.typestore import typestore
from uplift_ros.poses import Origin, ScaleSource, Source
from uplift_ros.streaming.stride import Reason

DEFINITIONS = sorted((ROOT / "msg").glob("*.msg"))

PROGRAM = """
#include <uplift_ros/msg/keyframe2_d.hpp>
#include <uplift_ros/msg/rate_state.hpp>
#include <uplift_ros/msg/skeleton_info.hpp>
#include <uplift_ros/msg/skeletons.hpp>

double height_of(const uplift_ros::msg::Skeletons & skeletons) {
  const auto & person = skeletons.persons.at(0);
  static_assert(uplift_ros::msg::Person3D::SCALE_PRIOR == 1, "scale_source");
  static_assert(uplift_ros::msg::RateState::MANUAL == 5, "reason");
  return person.joints.at(0).y - person.joints.at(10).y + person.scores.at(0);
}
"""


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda path: path.stem)
def test_every_field_says_what_it_is(definition):
    lines = definition.read_text().splitlines()
    assert lines[0].startswith("# ")
    fields = [line for line in lines if re.match(r"^[a-zP]", line) and "persons" not in line]
    assert fields
    assert not [line for line in fields if "#" not in line]


def constants(message: str) -> dict[str, int]:
    return {name: value for name, _, value in typestore().fielddefs[f"uplift_ros/msg/{message}"][0]}


def test_constants_are_those_of_the_ros_free_part():
    assert constants("RateState") == {reason.name: reason.value for reason in Reason}
    assert constants("Keyframe2D") == {origin.name: origin.value for origin in Origin}
    person = {source.name: source.value for source in Source}
    person |= {f"SCALE_{source.name}": source.value for source in ScaleSource}
    assert constants("Person3D") == person


def test_a_cpp_program_can_use_the_messages(tmp_path):
    include = Path(sys.prefix) / "include"
    if not (include / "uplift_ros").is_dir():
        pytest.skip("messages are not built into this environment")
    program = tmp_path / "program.cpp"
    program.write_text(PROGRAM)
    folders = [f"-I{folder}" for folder in include.iterdir() if folder.is_dir()]
    compiled = subprocess.run(
        ["g++", "-std=c++17", "-fsyntax-only", *folders, str(program)], capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stderr
