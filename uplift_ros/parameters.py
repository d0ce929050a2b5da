"""Every parameter of every node: one table that validation, descriptors, config/uplift.yaml and docs are made from.

Needs no ROS. `python -m uplift_ros.parameters > config/uplift.yaml` writes the file anew, and with
`--markdown > docs/PARAMETERS.md` its other form.
"""

import reprlib
import sys
from dataclasses import dataclass
from math import inf, isfinite

Value = bool | int | float | str

LARGEST = 1 << 63
"""What ROS stores whole numbers below."""

TYPE_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def brief(value: object) -> str:
    """What came, short enough for the line that refuses it."""
    return _SHORT.repr(value)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Args:
        name: as in ROS.
        default: its Python type is the parameter's type.
        description: what it does and its unit, one sentence.
        minimum, maximum: inclusive range of a number.
        choices: the only values allowed, where not empty.
        dynamic: may be changed while the node runs.
    """

    name: str
    default: Value
    description: str
    minimum: float = -inf
    maximum: float = inf
    choices: tuple[str, ...] = ()
    dynamic: bool = False

    @property
    def allowed(self) -> str:
        """What may be set, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.limited:
            return f"{TYPE_NAMES[type(self.default)]} from {self.minimum:g} to {self.maximum:g}"
        return TYPE_NAMES[type(self.default)]

    def check(self, value: object) -> Value:
        """The value in the parameter's own type: a whole number serves as a number, and as a text (`source: 0`).

        Raises:
            ValueError: the type, the range or the choices are not met.
        """
        kind = type(self.default)
        if kind in (float, str) and type(value) is int and abs(value) < LARGEST:
            value = kind(value)
        if type(value) is not kind or not self._is_allowed(value):
            raise ValueError(f"parameter {self.name} must be {self.allowed}, got {brief(value)}")
        return value

    @property
    def limited(self) -> bool:
        """Whether there is a range."""
        return isfinite(self.minimum)

    def _is_allowed(self, value: Value) -> bool:
        if isinstance(value, str):
            return not self.choices or value in self.choices
        return self.minimum <= value <= self.maximum


AUTOSTART = Parameter("autostart", True, "Configure and activate at start; false waits for lifecycle commands.")
DEVICE = Parameter(
    "device", "cpu", "Where the network runs: cpu, cuda, tensorrt or openvino; a number may follow, as in cuda:1."
)

CAMERA = (
    Parameter("source", "synthetic", "What to film: synthetic, the number of a webcam, or a video file."),
    Parameter("fps", 0.0, "Images per second; 0 takes the source's own rate.", 0.0, 240.0),
    Parameter("loop", False, "Start a video file again at its end; false ends the node there."),
    Parameter("duration", 0.0, "Seconds of source time after which the node ends; 0 is never.", 0.0, 86400.0),
    Parameter("width", 0, "Image width in pixels; 0 takes the source's own.", 0, 7680),
    Parameter("height", 0, "Image height in pixels; 0 takes the source's own.", 0, 4320),
    Parameter("horizontal_fov", 1.0, "Horizontal field of view in radians, for camera_info.", 0.1, 3.0),
    Parameter("frame_id", "camera_optical_frame", "Frame of the images: x right, y down, z forward (REP-103)."),
    AUTOSTART,
)

POSE_ESTIMATOR = (
    Parameter("stride", 10, "Distance between key-frames, in frames of model_rate.", 1, 100, dynamic=True),
    Parameter("model_rate", 50.0, "Frames per second in which stride is counted.", 1.0, 240.0),
    Parameter("backend", "blazepose", "2D pose estimator.", choices=("blazepose", "onnx")),
    Parameter(
        "model", "full", "Landmark network of blazepose: more accurate or faster.", choices=("lite", "full", "heavy")
    ),
    Parameter(
        "model_path",
        "",
        "Networks. onnx: a file, or person detector and pose network with a comma. blazepose: the folder with its "
        "files; empty is where `uplift models` puts them.",
    ),
    DEVICE,
    Parameter("max_persons", 1, "Most people to find in an image.", 1, 16),
    Parameter("score_threshold", 0.7, "Confidence from which on something is a person.", 0.0, 1.0),
    Parameter("person_class", 0, "Label of people, of an onnx detector that finds other things too.", 0, 10000),
    Parameter("image_transport", "raw", "Which image topic to subscribe to.", choices=("raw", "compressed")),
    Parameter("image_depth", 1, "Images that may queue up; more than one only makes them older.", 1, 100),
    AUTOSTART,
)

UPLIFT = (
    Parameter("model", "compact", "Network: a name in weights/, or a path."),
    DEVICE,
    Parameter(
        "precision",
        "float32",
        "Arithmetic of the network; float16 with tensorrt and openvino.",
        choices=("float32", "float16"),
    ),
    Parameter(
        "latency",
        4,
        "Frames at 50 Hz that a final skeleton waits for newer key-frames, at most half the network's window; "
        "just that (40 of n81 and compact, 175 of n351) gives the most accurate skeletons.",
        0,
        200,
    ),
    Parameter("output_rate", 50.0, "Skeletons per second.", 1.0, 240.0),
    Parameter(
        "playout",
        False,
        "Publish raw skeletons one by one at output_rate, with more delay; false publishes them once they are final.",
    ),
    Parameter(
        "stride_mode",
        "adaptive",
        "fixed keeps stride; adaptive switches with the velocity.",
        choices=("fixed", "adaptive"),
        dynamic=True,
    ),
    Parameter("stride", 10, "Frames between key-frames in the mode fixed.", 1, 100, dynamic=True),
    Parameter("stride_slow", 20, "Frames between key-frames while people are slow.", 1, 100, dynamic=True),
    Parameter(
        "stride_medium",
        10,
        "Frames between key-frames while somebody moves; as many as stride_slow is the rule of the paper.",
        1,
        100,
        dynamic=True,
    ),
    Parameter("stride_fast", 4, "Frames between key-frames while somebody is fast.", 1, 100, dynamic=True),
    Parameter("velocity_threshold", 0.5, "Metres per second from which on a person is fast.", 0.0, 20.0, dynamic=True),
    Parameter("velocity_medium", 0.2, "Metres per second from which on a person moves.", 0.0, 20.0, dynamic=True),
    Parameter("hold_frames", 10, "Frames of slower motion before the stride grows again.", 0, 1000, dynamic=True),
    Parameter("person_height", 1.72, "Stature in metres that the scale rests on.", 0.3, 2.5),
    Parameter(
        "use_depth",
        False,
        "Measure people's size with depth images aligned with the camera's, on the topic depth. Needs message_filters.",
    ),
    Parameter(
        "rectified",
        False,
        "Images are rectified: camera_info's P describes them, not K and D. So are those of topics named image_rect*.",
    ),
    Parameter("estimator_node", "pose_estimator", "Node whose stride is controlled."),
    AUTOSTART,
)

REFINER = (
    Parameter("model", "synsp", "Network: a name in weights/, or a path."),
    DEVICE,
    Parameter("delay", 3, "Frames that a skeleton waits for newer ones.", 0, 7),
    Parameter("method", "synsp", "How to refine.", choices=("synsp", "one_euro", "savgol", "none")),
    Parameter(
        "target_frame",
        "",
        "Frame to smooth and publish in, such as odom on a moving robot; empty keeps the camera's. Needs tf2_ros.",
    ),
    Parameter(
        "views",
        "",
        "Topics, with commas between, of raw skeletons from further cameras that see the same people; put together in "
        "target_frame. Needs message_filters.",
    ),
    AUTOSTART,
)

VISUALIZER = (
    Parameter("publish_tf", False, "Publish transforms of bodies (REP-155) and joints; needs tf2_msgs."),
    Parameter(
        "marker_lifetime",
        1.2,
        "Seconds after which markers vanish without news; more than twice the time between key-frames.",
        0.0,
        60.0,
    ),
    AUTOSTART,
)

HUMANS = (
    Parameter("publish_tf", True, "Publish transforms of bodies and their links (REP-155); needs tf2_msgs."),
    AUTOSTART,
)

TABLES: dict[str, tuple[Parameter, ...]] = {
    "camera": CAMERA,
    "pose_estimator": POSE_ESTIMATOR,
    "uplift": UPLIFT,
    "refiner": REFINER,
    "visualizer": VISUALIZER,
    "humans": HUMANS,
}


def yaml_value(value: Value) -> str:
    """A value as YAML that ROS reads back with the same type."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def to_yaml() -> str:
    """The content of config/uplift.yaml; `/**/` lets it serve every namespace."""
    lines = ["# Every parameter of every node with its default, made by `python -m uplift_ros.parameters`."]
    for node, table in TABLES.items():
        lines += ["", f"/**/{node}:", "  ros__parameters:"]
        for parameter in table:
            when = ", while running too" if parameter.dynamic else ""
            lines.append(f"    # {parameter.description} ({parameter.allowed}{when})")
            lines.append(f"    {parameter.name}: {yaml_value(parameter.default)}")
    return "\n".join(lines) + "\n"


def to_markdown() -> str:
    """The content of docs/PARAMETERS.md."""
    lines = ["# Parameters", "", "Every parameter of every node, made by `python -m uplift_ros.parameters --markdown`."]
    lines += ["Those that say *live* may be changed while the node runs; the others are set at start."]
    for node, table in TABLES.items():
        lines += ["", f"## {node}", "", "| parameter | default | allowed | live | meaning |", "|---|---|---|---|---|"]
        for known in table:
            live = "live" if known.dynamic else ""
            row = (f"`{known.name}`", f"`{yaml_value(known.default)}`", known.allowed, live, known.description)
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(to_markdown() if "--markdown" in sys.argv[1:] else to_yaml(), end="")
