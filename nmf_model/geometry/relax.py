"""Move the inner vertices of a tetrahedral mesh until its tetrahedra are positive and as regular as can be.

The energy of a tetrahedron compares it with a regular one through the Jacobian J of the map between them:
|J|² / (3 det(J)^(2/3)), which is 1 for a regular one of any size and grows without bound as it flattens. To
start from inverted ones as well, the determinant is replaced by χ = (det + √(ε² + det²)) / 2 with a small ε
(Garanzha, Kaporin, Kudryavtseva, Protais, Ray, Sokolov: "Foldover-free maps in 50 lines of code", 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmf_model.errors import Cancelled
from nmf_model.geometry.tetrahedra import orientations
from nmf_model.types import CancelCheck

Vertices = NDArray[np.float64]
Tetrahedra = NDArray[np.int64]

_REGULAR = np.array([(1.0, 0.0, 0.0), (0.5, 0.75**0.5, 0.0), (0.5, 0.75**0.5 / 3, (2 / 3) ** 0.5)]).T
"""Edges of a regular tetrahedron from its first corner, as columns."""
_TO_REGULAR = np.linalg.inv(_REGULAR)


def relax(
    vertices: Vertices,
    tetrahedra: Tetrahedra,
    free: NDArray[np.bool_],
    *,
    iterations: int,
    epsilon: float = 1e-3,
    cancel: CancelCheck | None = None,
) -> Vertices:
    """Return (V, 3) the vertices, those that are ``free`` (V,) moved; the given ones if that is no better.

    Never leaves more tetrahedra that are not positive than there were.

    Args:
        vertices: in any unit; tetrahedra may be inverted.
        tetrahedra: (T, 4).
        free: which may move.
        iterations: of L-BFGS.
        epsilon: ε; the smaller, the more an inverted tetrahedron costs and the harder the problem.
        cancel: polled at every evaluation.

    Raises:
        Cancelled: if ``cancel`` returned True.
    """
    from scipy.optimize import minimize

    if not free.any():
        return vertices
    energy = _Energy(vertices, tetrahedra, free, epsilon, cancel)
    found = minimize(
        energy,
        vertices[free].ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxfun": 2 * iterations},
    )
    moved = vertices.copy()
    moved[free] = found.x.reshape(-1, 3)
    return moved if not_positive(moved, tetrahedra) <= not_positive(vertices, tetrahedra) else vertices


def not_positive(vertices: Vertices, tetrahedra: Tetrahedra) -> int:
    """Return how many tetrahedra are inverted or flat, exactly."""
    return int(np.count_nonzero(orientations(vertices, tetrahedra) <= 0))


class _Energy:
    """The mean energy and its gradient as a function of the free coordinates."""

    def __init__(
        self,
        vertices: Vertices,
        tetrahedra: Tetrahedra,
        free: NDArray[np.bool_],
        epsilon: float,
        cancel: CancelCheck | None,
    ) -> None:
        from scipy import sparse

        edges = vertices[tetrahedra[:, 1:]] - vertices[tetrahedra[:, :1]]
        lengths = np.sqrt(np.mean(np.square(edges).sum(axis=2), axis=1))
        weights = np.concatenate([-_TO_REGULAR.sum(axis=0)[None], _TO_REGULAR])
        values = weights.T / np.maximum(lengths, np.finfo(float).tiny)[:, None, None]
        rows = np.repeat(np.arange(3 * len(tetrahedra)), 4)
        columns = np.repeat(tetrahedra, 3, axis=0).ravel()
        jacobians = sparse.csr_matrix(
            (values.ravel(), (rows, columns)), shape=(3 * len(tetrahedra), len(vertices))
        )
        self._jacobians = jacobians[:, np.flatnonzero(free)].tocsr()
        self._gradient = self._jacobians.T.tocsr()
        self._fixed = jacobians[:, np.flatnonzero(~free)] @ vertices[~free]
        self._count = len(tetrahedra)
        self._epsilon = epsilon
        self._cancel = cancel

    def __call__(self, coordinates: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if self._cancel is not None and self._cancel():
            raise Cancelled("The solid was cancelled.")
        jacobians = (self._fixed + self._jacobians @ coordinates.reshape(-1, 3)).reshape(-1, 3, 3)
        energies, slopes = _energies(jacobians, self._epsilon)
        gradient = self._gradient @ slopes.reshape(-1, 3)
        return float(energies.mean()), gradient.ravel() / self._count


def _energies(
    jacobians: NDArray[np.float64], epsilon: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the energies (T,) and their derivatives (T, 3, 3) by the Jacobians; rows are J's columns."""
    cofactors = np.stack([_cross(jacobians[:, k - 2], jacobians[:, k - 1]) for k in range(3)], axis=1)
    determinant = np.einsum("ij,ij->i", jacobians[:, 0], cofactors[:, 0])
    root = np.sqrt(epsilon**2 + determinant**2)
    # The plain formula cancels for negative determinants.
    chi = np.where(determinant < 0, epsilon**2 / (2 * (root + np.abs(determinant))), (determinant + root) / 2)
    scale = 1 / (3 * chi ** (2 / 3))
    energies = np.einsum("ijk,ijk->i", jacobians, jacobians) * scale
    along_cofactors = 2 / 3 * energies / root
    slopes = (2 * scale)[:, None, None] * jacobians - along_cofactors[:, None, None] * cofactors
    return energies, slopes


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    (a, b, c), (d, e, f) = one.T, other.T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)
