"""Data is never run as code: no pickle, no eval, no shell; checked in the source of all installed modules."""

import ast
import re
from collections.abc import Iterator

import pytest
from support.places import ROOT

SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("uplift_ros/**/*.py", "launch/*.py", "cmake/**/*.py", "setup.py")
    for path in ROOT.glob(pattern)
)

UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "jsonpickle"}
RUNNERS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "commands.getoutput"),
    *("subprocess.getstatusoutput", "pty.spawn", "runpy.run_path", "pandas.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
}
WANTED = {"torch.load": {"weights_only": True}}
"""Keywords that a call must have."""

FORBIDDEN = {"shell": True, "allow_pickle": True, "weights_only": False}
"""Keywords that no call may have; any value but the literal opposite counts."""


def unsafe(source: str) -> Iterator[str]:
    """Calls that could run foreign code, with their line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"{node.lineno}: {name}" for name in modules if name.split(".")[0] in UNPICKLERS)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            values = {key: value.value if isinstance(value, ast.Constant) else None for key, value in given.items()}
            wrong = [key for key, value in FORBIDDEN.items() if key in values and values[key] is not (not value)]
            missing = [key for key, value in WANTED.get(name, {}).items() if values.get(key) is not value]
            if name in RUNNERS or wrong or missing:
                yield f"{node.lineno}: {ast.unparse(node)}"


RESTRICTED = {"uplift_ros/lab/data/object_arrays.py": "import pickle"}
"""A subclass of pickle's reader that knows NumPy's arrays alone: test/lab/data/test_object_arrays.py."""


@pytest.mark.parametrize("path", SOURCES)
def test_nothing_runs_what_it_reads(path):
    source = (ROOT / path).read_text()
    if path in RESTRICTED:
        assert not re.search(r"pickle\.(?!Unpickler\))", source)
        source = source.replace(RESTRICTED[path], "")
    assert list(unsafe(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "os.system('ls')",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=wanted)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
    ],
)
def test_what_would_run_it_is_found(source):
    assert len(list(unsafe(source))) == 1


HARMLESS = (
    "model.eval()",
    "torch.load(path, weights_only=True)",
    "np.load(path)",
    "re.compile(t)",
    "yaml.safe_load(t)",
)


@pytest.mark.parametrize("source", HARMLESS)
def test_what_only_reads_is_not(source):
    assert list(unsafe(source)) == []
