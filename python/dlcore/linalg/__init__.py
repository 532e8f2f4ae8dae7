"""Linear algebra, with the names and arguments of torch.linalg.

Matrices lie in the last two dimensions, and the ones before are a batch. Products and norms are dlcore's own ops;
factors, inverses and determinants are computed by numpy's LAPACK, in float32 or float64. What is differentiable says
so; asking for another gradient raises NotImplementedError.
"""

from .decompositions import cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from .lapack import LinAlgError
from .norms import matrix_norm, norm, vector_norm
from .products import cross, diagonal, householder_product, matmul, matrix_exp, matrix_power, multi_dot, vecdot
from .rank import cond, lstsq, matrix_rank, pinv
from .solvers import det, inv, slogdet, solve, solve_triangular

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "householder_product",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]
