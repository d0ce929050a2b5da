"""Assignment of rows to columns at the least total cost."""

import numpy as np


def best_pairs(costs: np.ndarray) -> list[tuple[int, int]]:
    """Pair as many rows and columns as possible, with the least sum of costs.

    Args:
        costs: (rows, columns), finite.
    """
    if not costs.size:
        return []
    if min(costs.shape) == 1:  # one person: needs no SciPy, which takes longer to load than anything else in the node
        row, column = np.unravel_index(np.argmin(costs), costs.shape)
        return [(int(row), int(column))]
    from scipy.optimize import linear_sum_assignment

    return [(int(row), int(column)) for row, column in zip(*linear_sum_assignment(costs), strict=True)]
