"""Assignment of rows to columns at the least total cost."""

import numpy as np

IMPOSSIBLE = 1e6
"""Cost of a pair that is never made."""


def best_pairs(costs: np.ndarray) -> list[tuple[int, int]]:
    """Pair as many rows and columns as possible, with the least sum of costs, without pairs that are IMPOSSIBLE.

    Args:
        costs: (rows, columns), finite.
    """
    if not costs.size:
        return []
    if min(costs.shape) == 1:  # one person: needs no SciPy, which takes longer to load than anything else in the node
        pairs = [np.unravel_index(np.argmin(costs), costs.shape)]
    else:
        from scipy.optimize import linear_sum_assignment

        pairs = list(zip(*linear_sum_assignment(costs), strict=True))
    return [(int(row), int(column)) for row, column in pairs if costs[row, column] < IMPOSSIBLE]
