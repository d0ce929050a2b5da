"""Folders that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""

SHARED = ROOT.parent / "shared"
"""Motion capture and videos beside the checkout; whoever lacks them skips the tests that need them."""
