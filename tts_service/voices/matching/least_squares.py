"""Non-negative least squares by the active-set method.

C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems", 1974, chapter 23.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-9


def non_negative_least_squares(
    matrix: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find ``x ≥ 0`` that minimises ``|matrix @ x - target|``.

    Args:
        matrix: shape ``(m, n)``.
        target: shape ``(m,)``.
    """
    count = matrix.shape[1]
    solution = np.zeros(count)
    active = np.zeros(count, bool)
    gradient = matrix.T @ (target - matrix @ solution)
    # Each outer step adds one column and cycling is impossible in exact arithmetic, so this
    # limit is not reached.
    for _ in range(3 * count):
        candidates = ~active & (gradient > _TOLERANCE)
        if not candidates.any():
            break
        active[int(np.argmax(np.where(candidates, gradient, -np.inf)))] = True
        while True:
            trial = np.zeros(count)
            trial[active] = np.linalg.lstsq(matrix[:, active], target, rcond=None)[0]
            if trial[active].min() > 0:
                break
            negative = active & (trial <= 0)
            step = np.min(solution[negative] / (solution[negative] - trial[negative]))
            solution = solution + step * (trial - solution)
            active &= solution > _TOLERANCE
            solution[~active] = 0.0
            if not active.any():
                break
        solution = np.where(active, trial, 0.0)
        gradient = matrix.T @ (target - matrix @ solution)
    return solution
