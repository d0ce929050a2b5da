"""`uplift study`: measurements behind design decisions."""

import argparse

from uplift_ros.lab.studies import adaptive_stride, calibration, detector_errors, several_views

STUDIES = {"adaptive": adaptive_stride, "quality": calibration, "views": several_views, "detector": detector_errors}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    studies = parser.add_subparsers(dest="study", required=True)
    for name, module in STUDIES.items():
        summary = (module.__doc__ or "").splitlines()[0]
        module.add_arguments(studies.add_parser(name, help=summary, description=module.__doc__))


def main(args: argparse.Namespace) -> int:
    return STUDIES[args.study].main(args)
