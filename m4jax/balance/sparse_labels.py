"""Labels as sparse matrices: what is checked, and what is kept of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError


def examples(attributes: Any, labels: Any) -> tuple[np.ndarray, Any]:
    """Returns both as matrices with one row each per example, like `checks.examples`.

    Sparse labels stay sparse: any format or type of scipy's.
    """
    if not sparse.issparse(labels):
        return checks.examples(attributes, labels)
    if len(labels.shape) != 2 or labels.dtype.kind not in "biuf":
        raise ProblemError(
            f"labels is sparse with shape {labels.shape} and type {labels.dtype}; expected a "
            "matrix [n, number of labels] of numbers"
        )
    none = np.zeros((labels.shape[0], 0), np.uint8)
    return checks.examples(attributes, none)[0], labels


def unit_interval(name: str, values: Any, *, names: Sequence[str] | None = None) -> Any:
    """Returns a copy of a matrix in [0, 1], like `checks.unit_interval`.

    Returns:
        Of a sparse matrix its CSR form with sorted columns, each at most once, and no zeros.
    """
    if not sparse.issparse(values):
        return checks.unit_interval(name, values, names=names)
    matrix = sparse.csr_array(values, copy=True)
    matrix.sum_duplicates()
    data = matrix.data.astype(float)
    wrong = ~((data >= 0) & (data <= 1))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        row = int(np.searchsorted(matrix.indptr, first, side="right")) - 1
        column = int(matrix.indices[first])
        called = f" ({names[column]!r})" if names else ""
        raise ProblemError(
            f"{name}[{row}, {column}]{called} is {matrix.data[first]}; expected a value in [0, 1] "
            f"({int(wrong.sum())} of {matrix.nnz} entries are wrong; entries of one place add up)"
        )
    matrix.data = data.astype(np.uint8) if (data % 1 == 0).all() else data
    matrix.eliminate_zeros()
    return _narrow(matrix)


def unit_matrix(name: str, values: Any) -> Any:
    """Returns a copy of `values` as a matrix in [0, 1], sparse if it is; see `unit_interval`."""
    if sparse.issparse(values):
        return unit_interval(name, values)
    return checks.unit_matrix(name, values)


def _narrow(matrix: sparse.csr_array) -> sparse.csr_array:
    """Returns the matrix with indices of 32 bits, where they suffice."""
    if max(*matrix.shape, matrix.nnz) >= 2**31 or matrix.indices.dtype == np.int32:
        return matrix
    indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return sparse.csr_array((matrix.data, indices, indptr), shape=matrix.shape)


def from_lists(lists: Sequence[Sequence[int]], labels: int) -> sparse.csr_array:
    """Returns the matrix `[n, labels]` of examples that have labels by number.

    Args:
        lists: `[n]` numbers of each example's labels, from 0; a label that comes twice counts once.
        labels: how many there are.

    Raises:
        ProblemError: if a number is not that of a label.
    """
    indptr = np.concatenate([[0], np.cumsum([len(x) for x in lists], dtype=np.int64)])
    flat = [np.asarray(x, np.int64) for x in lists]
    indices = np.concatenate(flat) if flat else np.zeros(0, np.int64)
    return from_offsets(indices, indptr, labels)


def from_offsets(indices: np.ndarray, indptr: np.ndarray, labels: int) -> sparse.csr_array:
    """Returns the matrix of lists that lie one after the other, list i from indptr[i] on."""
    wrong = (indices < 0) | (indices >= labels)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        row = int(np.searchsorted(indptr, place, side="right")) - 1
        raise ProblemError(
            f"the labels of example {row} have number {int(indices[place])}; expected 0 to "
            f"{labels - 1}, as there are {labels} labels"
        )
    ones = np.ones(len(indices), np.uint8)
    matrix = sparse.csr_array((ones, indices, indptr), shape=(len(indptr) - 1, labels))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return _narrow(matrix)
