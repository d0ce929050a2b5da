"""The base of all nodes: lifecycle, process, and diagnostics."""
