"""Commands in documents can be parsed, links have a target, and defaults are correct."""

import argparse
import importlib
import itertools
import re
import shlex
from pathlib import Path

import pytest
from support.places import ROOT

from uplift_ros import cli
from uplift_ros.parameters import TABLES, yaml_value

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_ROS = ("run", "record", "play")
LAUNCH = r"(\w+\.launch\.py(?: \w+:=[^\s`']+)*)"


def text_of(document: Path) -> str:
    """A document with continued lines joined, and the shell variables that it sets in place of their names."""
    text = re.sub(r" *\\\n\s*", " ", document.read_text())
    for name, value in reversed(re.findall(r'^    (\w+)="(.*)"$', text, re.MULTILINE)):
        text = text.replace(f"${name} ", f"{value} ")
    return text


def mentions(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", text))


TEXTS = [text_of(path) for path in DOCUMENTS]

BLOCKS = [line.split("    #")[0] for text in TEXTS for line in text.splitlines() if line.startswith("    ")]
MENTIONS = [mention for text in TEXTS for mention in mentions(text)]
PAPERS = mentions(text_of(ROOT / "docs" / "PAPERS.md"))
"""Commands in the tables of the papers have no placeholders."""


def commands(program: str, lines: list[str]) -> list[str]:
    """The command lines among `lines` that begin with `program` and a word."""
    parts = {part.strip() for line in lines for part in line.split(" && ")}
    return sorted(part for part in parts if re.match(rf"{program} \w", part))


def parser_of(command: str) -> argparse.ArgumentParser:
    """Parser of the subcommand."""
    name = command.split()[1]
    if name in WITH_ROS:
        pytest.importorskip("rclpy", reason="needs ROS 2")
        pytest.importorskip("uplift_ros.msg", reason="needs the built messages")
    parser = argparse.ArgumentParser(prog=f"uplift {name}")
    importlib.import_module(cli.COMMANDS[name][0]).add_arguments(parser)
    return parser


@pytest.mark.parametrize("command", commands("uplift", BLOCKS + PAPERS))
def test_an_uplift_command_to_type_parses(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    try:
        parser_of(command).parse_args(shlex.split(command)[2:])
    except SystemExit:
        pytest.fail(command)


@pytest.mark.parametrize("command", commands("uplift", MENTIONS))
def test_an_uplift_command_that_is_mentioned_has_these_options(command, capsys):
    options = {word for word in command.split() if word.startswith("--")}
    words = itertools.takewhile(lambda word: not word.startswith("--"), command.split()[2:])
    subcommands = [word for word in words if not word.isupper()]  # others are placeholders
    with pytest.raises(SystemExit):
        parser_of(command).parse_args([*subcommands, "--help"])
    assert options <= set(re.findall(r"--[\w-]+", capsys.readouterr().out))


@pytest.mark.parametrize("command", commands("make", BLOCKS + MENTIONS))
def test_a_make_target_exists(command):
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    assert {word for word in shlex.split(command)[1:] if "=" not in word} <= set(targets[1].split())


@pytest.mark.parametrize("launched", sorted({*re.findall(LAUNCH, "\n".join(TEXTS))}))
def test_a_launch_file_exists_and_declares_the_arguments(launched):
    file, *arguments = launched.split()
    path = ROOT / "launch" / file
    assert path.is_file()
    launch = pytest.importorskip("launch.launch_description_sources", reason="launch is not installed")
    pytest.importorskip("launch_ros", reason="launch_ros is not installed")
    description = launch.get_launch_description_from_python_launch_file(str(path))
    declared = {argument.name for argument in description.get_launch_arguments()}
    assert {argument.split(":=")[0] for argument in arguments} <= declared


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_to_files(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


def test_the_commands_looked_for_are_found():
    assert len(commands("uplift", BLOCKS)) > 8
    assert len(commands("uplift", PAPERS)) > 30
    assert {"make demo", "make test"} <= set(commands("make", BLOCKS))
    assert len(re.findall(LAUNCH, "\n".join(TEXTS))) > 3


def readme_parameters() -> list[tuple[str, str, str]]:
    """(node, parameter, default) of the README's table; a row without a node belongs to the one above."""
    text = (ROOT / "README.md").read_text()
    table = text[text.index("| node | parameter | default |") :].split("\n\n")[0]
    node, found = "", []
    for row in table.splitlines()[2:]:
        first, names, defaults, _ = (cell.strip() for cell in row.strip("|").split("|"))
        node = first or node
        pairs = zip(re.findall(r"`(\w+)`", names), defaults.split(", "), strict=True)
        found += [(node, name, default) for name, default in pairs]
    return found


@pytest.mark.parametrize(("node", "name", "default"), readme_parameters())
def test_a_parameter_in_the_readme_exists_with_its_default(node, name, default):
    table = {parameter.name: parameter.default for parameter in TABLES[node]}
    assert yaml_value(table[name]).strip('"') == default
