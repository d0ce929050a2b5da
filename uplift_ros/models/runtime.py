"""Networks at run time: ONNX Runtime, NumPy in and out. `uplift export` writes their files.

The uplifting network is two files. NAME.onnx has everything up to the sequence head; NAME.central.onnx has the strided
stage with the central head, 40 % of the time and half of the weights, which only a latency of half the window needs.
Letters as in `uplift.py` and `synsp.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from uplift_ros.models.configs import Lifted, SynSPConfig, UpliftConfig, checked
from uplift_ros.parameters import brief, error_text
from uplift_ros.paths import find_weights

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Provider by parameter `device`. An index may follow cuda and tensorrt, and one of OpenVINO's devices openvino."""

HALF = {"tensorrt": {"trt_fp16_enable": "1"}, "openvino": {"precision": "FP16"}}
"""Options of the providers that run a network in float32 with float16."""

FATAL = 4
"""Log level of ONNX Runtime: exceptions already carry the other messages."""

CENTRAL_SUFFIX = ".central.onnx"

MAX_WINDOWS = 32
"""Windows of one forward pass of SynSP. With more, a burst of 4 s takes 190 MB; with fewer, each takes longer."""


class OnnxUplift:
    """Uplift and Upsample for streams: each pose goes through the spatial stage once.

    Args:
        file: NAME.onnx, as bytes or its path.
        central: NAME.central.onnx likewise; loaded when `central` is first called.
        device: see PROVIDERS.
        precision: float32, or float16 if the provider supports it.
        threads: of one forward pass; raising it takes cores from other nodes.

    Raises:
        ValueError: not a network of this kind, or the device is not available.
    """

    def __init__(
        self,
        file: bytes | Path,
        central: bytes | Path,
        device: str = "cpu",
        precision: str = "float32",
        threads: int = 1,
    ) -> None:
        self._open = lambda source: _session(source, device, precision, threads)
        self._session, self._central, self._central_file = self._open(file), None, central
        self.config: UpliftConfig = _config(self._session, file, "uplift", UpliftConfig)

    def __call__(self, poses: np.ndarray, known: np.ndarray, windows: np.ndarray) -> Lifted:
        """Uplift windows; see `Uplifting`.

        Raises:
            RuntimeError: the device failed.
        """
        if not len(known):  # not every provider accepts an empty array
            known = np.zeros((1, self.config.temporal_width))
        inputs: dict[str, np.ndarray] = {
            "poses": poses.astype(np.float32),
            "known": known.astype(np.float32),
            "windows": windows.astype(np.int64),
        }
        return Lifted(*_run(self._session, inputs))

    def central(self, hidden: np.ndarray) -> np.ndarray:
        """Return the poses of the windows' centres; see `Uplifting`."""
        if self._central is None:
            self._central = self._open(self._central_file)
        return _run(self._central, {"hidden": hidden})[0]


class OnnxRefine:
    """SynSP for streams of one view; arguments as of `OnnxUplift`."""

    def __init__(self, file: bytes | Path, device: str = "cpu", threads: int = 1) -> None:
        self._session = _session(file, device, "float32", threads)
        self.config: SynSPConfig = _config(self._session, file, "synsp", SynSPConfig)

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Refine windows, at most MAX_WINDOWS at a time; see `Refining`.

        Raises:
            RuntimeError: the device failed.
        """
        batches = np.split(windows.astype(np.float32), range(MAX_WINDOWS, len(windows), MAX_WINDOWS))
        return np.concatenate([_run(self._session, {"windows": batch})[0] for batch in batches])


def load_uplift(name: str, device: str = "cpu", precision: str = "float32") -> OnnxUplift:
    """Load and warm up the uplifting network `name`, of shipped weights or the path of an .onnx file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds another network, or the device or the precision is not available.
    """
    path = find(name)
    network = OnnxUplift(path, path.with_suffix(CENTRAL_SUFFIX), device, precision)
    config = network.config
    blank = (np.zeros((1, config.joints, config.channels)), np.empty((0, config.temporal_width)))
    _warm_up(path, lambda: network(*blank, np.ones((1, config.tokens))).sequence)
    return network


def load_refine(name: str, device: str = "cpu") -> OnnxRefine:
    """Load and warm up SynSP `name`, as `load_uplift` does."""
    path = find(name)
    network = OnnxRefine(path, device)
    config = network.config
    _warm_up(path, lambda: network(np.zeros((1, config.window, config.joints, config.coordinates))))
    return network


def _warm_up(path: Path, run: Callable[[], np.ndarray]) -> None:
    """Run a network once, so that a file which cannot run is refused at the start.

    Raises:
        ValueError: it does not run on inputs of its config, or its output is not finite.
    """
    try:
        output = run()
    except (RuntimeError, TypeError) as error:  # TypeError: another number of outputs
        raise ValueError(f"model: {path} does not run on inputs of its config ({error})") from error
    if not np.isfinite(output).all():
        raise ValueError(f"model: {path} gives numbers that are not finite: its weights are damaged")


def find(name: str) -> Path:
    """Path of a network by name, or of the user's own .onnx file.

    Raises:
        FileNotFoundError: neither.
        ValueError: weights that were not exported.
    """
    if name.endswith(".safetensors"):
        raise ValueError(f"model: {name} is for training; export it first: uplift export {name} -o FILE.onnx")
    return find_weights(name, ".onnx")


def _session(source: bytes | Path, device: str, precision: str, threads: int) -> onnxruntime.InferenceSession:
    if isinstance(source, Path) and not source.is_file():
        raise FileNotFoundError(f"model: {source} is missing: export the network again")
    what = source.name if isinstance(source, Path) else "the network"
    model = str(source) if isinstance(source, Path) else source
    return open_session(f"model: {what}", model, device, precision, threads)


def open_session(
    what: str, model: bytes | str, device: str, precision: str = "float32", threads: int = 1
) -> onnxruntime.InferenceSession:
    """Open a network on a device, without a silent fallback to another one.

    Args:
        what: parameter and file, for the message of an error.
        model: the file, or its path.

    Raises:
        ValueError: the file holds no network, or the device is not available.
    """
    providers = provider_options(device, precision)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's own errors have no common base
        raise ValueError(f"{what} cannot be loaded on device {device!r} ({error_text(error)})") from error
    started = session.get_providers()
    if providers[0][0] not in started:
        raise ValueError(f"device {device!r} did not start: ONNX Runtime has only {', '.join(started)}")
    return session


def installed() -> list[str]:
    """Devices whose provider is installed."""
    available = onnxruntime.get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in available]


def provider_options(device: str, precision: str) -> list[tuple[str, dict[str, str]]]:
    """Providers for a session, that of the device first.

    Raises:
        ValueError: no such device, its provider is not installed, or it has no such precision.
    """
    kind, _, place = device.partition(":")
    here = installed()
    wrong_place = ":" in device and not (place if kind == "openvino" else place.isdigit())
    if kind not in here or (kind == "cpu" and place) or wrong_place:
        raise ValueError(f"device must be one that is installed ({', '.join(here)}), got {device!r}")
    if precision != "float32" and not (precision == "float16" and kind in HALF):
        raise ValueError(f"precision must be float32 (float16 only with {' or '.join(HALF)}), got {precision!r}")
    options = {"device_type" if kind == "openvino" else "device_id": place} if place else {}
    if precision == "float16":
        options |= HALF[kind]
    own = (PROVIDERS[kind], options)
    return [own] if kind == "cpu" else [own, (PROVIDERS["cpu"], {})]


def _config(session: onnxruntime.InferenceSession, source: bytes | Path, architecture: str, kind: type) -> Any:
    """Read the config in a file's metadata."""
    what = source if isinstance(source, Path) else "the network"
    found = session.get_modelmeta().custom_metadata_map
    if found.get("architecture") != architecture:
        raise ValueError(f"model: {what} holds a network {brief(found.get('architecture'))}, expected {architecture!r}")
    try:
        return checked(kind, json.loads(found["config"]))
    except (KeyError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"model: {what} has no config that can be read ({error_text(error)})") from error


def _run(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    try:
        outputs: list[np.ndarray] = session.run(None, inputs)
        return outputs
    except Exception as error:  # ONNX Runtime's own errors have no common base
        raise RuntimeError(error_text(error)) from error
