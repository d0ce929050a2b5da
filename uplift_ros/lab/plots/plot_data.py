"""Data of figures of accuracy: a network, and motion seen by virtual cameras."""

import argparse
import difflib
from dataclasses import dataclass
from pathlib import Path

from uplift_ros.lab.data import protocols
from uplift_ros.lab.data.formats import load_motion
from uplift_ros.lab.data.options import add_clip_arguments, add_data_arguments
from uplift_ros.models import weights
from uplift_ros.models.uplift import UpliftUpsample


@dataclass(frozen=True)
class Study:
    """A network and its input clips.

    Attributes:
        model: the network.
        clips: motions as cameras see them.
        rate: frames per second of the clips.
        subject: data, network and noise, for the caption.
    """

    model: UpliftUpsample
    clips: list[protocols.Clip]
    rate: float
    subject: str

    @property
    def strides(self) -> list[int]:
        """Those that the network was trained with."""
        return sorted(self.model.config.input_strides)


def add_study_arguments(parser: argparse.ArgumentParser, one_sequence: bool = False) -> None:
    """Add the options that `load_study` reads.

    Args:
        one_sequence: the figure shows a single clip.
    """
    add_data_arguments(parser)
    add_clip_arguments(parser, cameras=None if one_sequence else 1)
    if one_sequence:
        parser.add_argument("--sequence", required=True, help="name of the one to show")
    else:
        parser.add_argument("--sequence", nargs="+", help="names, or beginnings of names; all sequences otherwise")


def load_study(args: argparse.Namespace) -> Study:
    """Load the network and project the sequences into the cameras that `uplift evaluate` uses with the same seed.

    Raises:
        FileNotFoundError: no such weights or data.
        ValueError: no such sequence, no camera, or data in no known format.
    """
    one_sequence = isinstance(args.sequence, str)
    cameras = 1 if one_sequence else args.cameras
    model = weights.load(args.model, UpliftUpsample)
    rate = model.config.model_rate
    sequences = load_motion(args.data, rate, args.body_model, args.subjects)
    names = [sequence.name for sequence in sequences]
    chosen = {args.sequence} if one_sequence else _beginning_with(args.sequence, names)
    if unknown := sorted(chosen - set(names)):
        raise ValueError(f"sequence must be in {_names(args)}, got {unknown[0]!r}; {_nearest(unknown[0], names)}")
    clips = [
        clip
        for clip in protocols.project_sequences(sequences, rate, cameras, args.noise, args.seed)
        if clip.name in chosen
    ]
    return Study(model, clips, rate, _subject(args, cameras, chosen))


def _beginning_with(beginnings: list[str] | None, names: list[str]) -> set[str]:
    """Names that begin with one of these; a beginning without a match is returned unchanged."""
    found: set[str] = set() if beginnings else set(names)
    for beginning in beginnings or []:
        found |= {name for name in names if name.startswith(beginning)} or {beginning}
    return found


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
    return f"did you mean one of {', '.join(near)}? ({len(names)} in all)"


def _subject(args: argparse.Namespace, cameras: int, chosen: set[str]) -> str:
    what = f"sequence {next(iter(chosen))}" if len(chosen) == 1 else f"{len(chosen)} sequences"
    seen_by = "1 camera" if cameras == 1 else f"{cameras} cameras"
    noise = "true 2D joints" if args.noise == "none" else "2D joints with a detector's errors"
    return f"{_names(args)}, {what}, {seen_by}, {noise}; network {Path(args.model).stem}"


def _names(args: argparse.Namespace) -> str:
    return " ".join(path.stem for path in args.data)
