"""Every parameter of every node: the table for validation, descriptors, config/uplift.yaml and docs.

Needs no ROS. `python -m uplift_ros.parameters > config/uplift.yaml` writes the configuration, and
`python -m uplift_ros.parameters --markdown > docs/PARAMETERS.md` the documentation.
"""

import reprlib
import sys
from dataclasses import dataclass
from math import inf, isfinite

Value = bool | int | float | str

INT64_END = 1 << 63
"""Bound of the integers that ROS stores (int64)."""

TYPE_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def brief(value: object) -> str:
    """Representation of a received value, short enough for an error message."""
    return _SHORT.repr(value)


def error_text(error: Exception) -> str:
    """One line that says what was wrong; errors of libraries may have many."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Args:
        name: as in ROS.
        default: its Python type is the parameter's type.
        description: what it does and its unit, one sentence.
        minimum, maximum: inclusive range of a number.
        choices: the only values allowed, if not empty.
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
        """Allowed values, in words."""
        if self.choices:
            return f"one of {self.limits}"
        return TYPE_NAMES[type(self.default)] + (f" from {self.limits}" if self.limited else "")

    @property
    def limits(self) -> str:
        """Choices, or range of a number; empty if every value of the type is allowed."""
        return ", ".join(self.choices) or (f"{self.minimum:g} to {self.maximum:g}" if self.limited else "")

    def check(self, value: object) -> Value:
        """Validate a value and convert it to the parameter's type; an integer may be a number or a text (`source: 0`).

        Raises:
            ValueError: the type, the range or the choices are not met.
        """
        kind = type(self.default)
        if kind in (float, str) and type(value) is int and abs(value) < INT64_END:
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


# fmt: off
AUTOSTART = Parameter("autostart", True, "Configure and activate at start; false waits for lifecycle commands.")
DEVICE = Parameter("device", "cpu",
    "Device of the network: cpu, cuda, tensorrt or openvino; an index may follow, as in cuda:1.")
RECTIFIED = Parameter("rectified", False,
    "Images are rectified: camera_info's P describes them, not K and D. Always so on topics image_rect*.")

CAMERA = (
    Parameter("source", "synthetic", "Image source: synthetic, the index of a webcam, or a video file."),
    Parameter("fps", 0.0, "Images per second; 0 uses the source's rate.", 0.0, 240.0),
    Parameter("loop", False, "Repeat a video file; false stops the node at its end."),
    Parameter("duration", 0.0, "Seconds of source time after which the node stops; 0 is unlimited.", 0.0, 86400.0),
    Parameter("width", 0, "Image width in pixels, except of a video; 0 uses the source's.", 0, 7680),
    Parameter("height", 0, "Image height in pixels, except of a video; 0 uses the source's.", 0, 4320),
    Parameter("horizontal_fov", 1.0, "Horizontal field of view of webcams and videos, in radians.", 0.1, 3.0),
    Parameter("frame_id", "camera_optical_frame", "Frame of the images: x right, y down, z forward (REP-103)."),
    AUTOSTART,
)

POSE_ESTIMATOR = (
    Parameter("stride", 10,
        "Frames between key-frames, counted at model_rate; raising it lowers the load and upsamples more frames.",
        1, 100, dynamic=True),
    Parameter("model_rate", 50.0, "Frames per second at which stride is counted.", 1.0, 240.0),
    Parameter("phase", -1.0,
        "Offset of key-frames from multiples of the stride since stamp 0, as a fraction of the stride, so that "
        "several cameras take turns; negative: multiples since the first image.", -1.0, 0.99),
    Parameter("backend", "blazepose", "2D pose estimator.", choices=("blazepose", "onnx")),
    Parameter("model", "auto",
        "Landmark network of blazepose, from the fastest to the most accurate; auto is heavy if it is installed, "
        "and full otherwise and while the processor does not keep up.", choices=("auto", "lite", "full", "heavy")),
    Parameter("model_path", "",
        "Networks. onnx: a file, or person detector and pose network separated by a comma. blazepose: the folder "
        "with its files; empty is the folder of `uplift models`."),
    DEVICE,
    Parameter("max_persons", 1, "Maximum number of people to detect in an image.", 1, 16),
    Parameter("score_threshold", 0.7,
        "Minimum confidence of a person; raising it gives fewer false detections and misses more people.", 0.0, 1.0),
    Parameter("person_class", 0, "Class index of people, for an onnx detector of several classes.", 0, 10000),
    Parameter("image_transport", "raw", "Transport of the image topic.", choices=("raw", "compressed")),
    Parameter("image_depth", 1, "Queue size of images; raising it only adds delay.", 1, 100),
    Parameter("look_back", 0.5,
        "Seconds of undecoded images kept (at most 256 MB), to detect people in older ones on keyframe_requests; 0 "
        "keeps none and answers no request.", 0.0, 5.0),
    AUTOSTART,
)

UPLIFT = (
    Parameter("model", "compact", "Network: a name in weights/, or a path."),
    DEVICE,
    Parameter("precision", "float32",
        "Arithmetic of the network; float16 with tensorrt and openvino.", choices=("float32", "float16")),
    Parameter("latency", 4,
        "Frames at 50 Hz that a final skeleton waits for newer key-frames, at most half the network's window; "
        "exactly half (40 for n81 and compact, 175 for n351) gives the most accurate skeletons.", 0, 200),
    Parameter("flip", True,
        "Average with the network's result for the mirrored pose: 2 to 4 % smaller errors in 1.8 times the time."),
    Parameter("output_rate", 50.0,
        "Skeletons per second of stream time; the refiner treats a gap of over 0.1 s as the end of a motion.",
        12.0, 240.0),
    Parameter("playout", False,
        "Publish raw skeletons evenly at output_rate, with more delay; false: as soon as they are final."),
    Parameter("stride_mode", "adaptive",
        "fixed keeps stride; adaptive changes it with the velocity of people.",
        choices=("fixed", "adaptive"), dynamic=True),
    Parameter("stride", 10,
        "Frames between key-frames in the mode fixed; raising it lowers the load and upsamples more frames.",
        1, 100, dynamic=True),
    Parameter("stride_slow", 20, "Frames between key-frames while people are slow.", 1, 100, dynamic=True),
    Parameter("stride_medium", 10,
        "Frames between key-frames while a person moves; equal to stride_slow it is the rule of the paper.",
        1, 100, dynamic=True),
    Parameter("stride_fast", 4, "Frames between key-frames while a person is fast; 5 with n351.", 1, 100, dynamic=True),
    Parameter("velocity_threshold", 0.5, "Metres per second above which a person is fast.", 0.01, 20.0, dynamic=True),
    Parameter("velocity_medium", 0.2, "Metres per second above which a person moves.", 0.01, 20.0, dynamic=True),
    Parameter("hold_frames", 10,
        "Frames of slower motion before the stride grows again; raising it keeps short strides longer.",
        0, 1000, dynamic=True),
    Parameter("person_height", 1.72,
        "Stature of people in metres, which sets the scale; raising it places people farther away.", 0.3, 2.5),
    Parameter("use_depth", False,
        "Measure people's size in aligned depth images, on the topic depth. Needs message_filters."),
    RECTIFIED,
    Parameter("estimator_node", "pose_estimator", "Node whose stride is controlled."),
    AUTOSTART,
)

REFINER = (
    Parameter("model", "synsp", "Network of method synsp: a name in weights/, or a path."),
    DEVICE,
    Parameter("delay", 3, "Frames that a skeleton waits for newer ones; raising it smooths more.", 0, 7),
    Parameter("method", "savgol",
        "Refinement: Savitzky-Golay filter, SynSP network, One-Euro filter, or none.",
        choices=("savgol", "synsp", "one_euro", "none")),
    Parameter("rigid", True, "Keep each person's bone lengths, which are estimated online, and report the height."),
    Parameter("orientations", False, "Publish the orientation of each bone, in the frames that SkeletonInfo defines."),
    Parameter("target_frame", "",
        "Frame to smooth and publish in, such as odom on a moving robot; empty keeps the camera's. Needs tf2_ros."),
    Parameter("views", "",
        "Topics, separated by commas, of raw skeletons from further cameras that see the same people, which are "
        "fused in target_frame."),
    AUTOSTART,
)

VISUALIZER = (
    Parameter("publish_tf", False, "Publish transforms of bodies (REP-155) and joints; needs tf2_msgs."),
    Parameter("marker_lifetime", 0.5,
        "Seconds, beyond two intervals of key-frames, after which markers disappear without an update.", 0.0, 60.0),
    RECTIFIED,
    AUTOSTART,
)

HUMANS = (
    Parameter("publish_tf", True, "Publish transforms of bodies and their links (REP-155); needs tf2_msgs."),
    AUTOSTART,
)
# fmt: on

TABLES: dict[str, tuple[Parameter, ...]] = {
    "camera": CAMERA,
    "pose_estimator": POSE_ESTIMATOR,
    "uplift": UPLIFT,
    "refiner": REFINER,
    "visualizer": VISUALIZER,
    "humans": HUMANS,
}


def is_builtin(name: str) -> bool:
    """Whether a parameter is one that every ROS node has beside its table; they have no effect without ROS."""
    return name.partition(".")[0] in ("use_sim_time", "qos_overrides", "start_type_description_service")


def yaml_value(value: Value) -> str:
    """Format a value as YAML that ROS reads back with the same type."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def to_yaml() -> str:
    """Content of config/uplift.yaml; `/**/` matches every namespace."""
    lines = ["# Every parameter of every node with its default, made by `python -m uplift_ros.parameters`."]
    for node, table in TABLES.items():
        lines += ["", f"/**/{node}:", "  ros__parameters:"]
        for parameter in table:
            when = ", while running too" if parameter.dynamic else ""
            lines.append(f"    # {parameter.description} ({parameter.allowed}{when})")
            lines.append(f"    {parameter.name}: {yaml_value(parameter.default)}")
    return "\n".join(lines) + "\n"


def to_markdown() -> str:
    """Content of docs/PARAMETERS.md."""
    lines = ["# Parameters", "", "Every parameter of every node, made by `python -m uplift_ros.parameters --markdown`."]
    lines += ["Those marked *live* may be changed while the node runs.", ""]
    lines += [f"Every node has `{AUTOSTART.name}`, `{yaml_value(AUTOSTART.default)}`: {AUTOSTART.description}"]
    for node, table in TABLES.items():
        lines += ["", f"## {node}", "", "| parameter | default | allowed | meaning |", "|---|---|---|---|"]
        for known in table:
            if known is not AUTOSTART:
                name = f"`{known.name}`" + " *live*" * known.dynamic
                lines.append(f"| {name} | `{yaml_value(known.default)}` | {known.limits} | {known.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(to_markdown() if "--markdown" in sys.argv[1:] else to_yaml(), end="")
