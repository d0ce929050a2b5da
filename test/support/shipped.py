"""Weights that the package brings."""

from uplift_ros.models import weights


def shipped(architecture: str) -> list[str]:
    """Names of the weights of an architecture."""
    return [name for name in weights.available() if weights.read_header(name)[0] == architecture]
