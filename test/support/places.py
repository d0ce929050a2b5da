"""Folders that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""

SHARED = ROOT.parent / "shared"
"""Motion capture and videos beside the checkout; tests that need them are skipped if they are missing."""
