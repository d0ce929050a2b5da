"""Who goes with whom, at the least cost."""

import numpy as np


def best_pairs(costs: np.ndarray) -> list[tuple[int, int]]:
    """Rows and columns in pairs, as many as there can be, whose costs have the least sum.

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
