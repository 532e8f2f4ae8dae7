#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Elementwise ops. A tier provides rows (contiguous loops) and tiles (conversion between memory and rows); the driver
// in elementwise.cpp, compiled once, turns any broadcast, strided, mixed-dtype problem into those.
//
// Only float, double, int32 and int64 are computed in: the 16-bit floating point types go through float, the small
// integers and bool through int32 (wrapped, or compared with 0, when stored). Logical ops take bools as bytes, too.
namespace dlcore::kernel {

enum ComputeTypes : uint8_t {
  kFloat = 1,
  kDouble = 2,
  kInt32 = 4,
  kInt64 = 8,
  kBytes = 16,
  kFloats = 3,
  kInts = 12,
  kNumbers = 15,
  kAll = 31
};
enum RowFlags : uint8_t { kPlain = 0, kBoolResult = 1, kBoolFirstInput = 2 };

// name, inputs, types it is computed in, flags. Small letters: params p, q, ...; integers wrap; formulas in the rows'
// files.
#define DLCORE_ELEMENTWISE_ARITHMETIC(OP)                                    \
  OP(Add, 2, kNumbers, kPlain)                                               \
  OP(Sub, 2, kNumbers, kPlain)                                               \
  OP(Mul, 2, kNumbers, kPlain)                                               \
  OP(Div, 2, kFloats, kPlain)                                                \
  OP(AddScaled, 3, kNumbers, kPlain) /* a + s b */                           \
  OP(AddCMul, 4, kNumbers, kPlain)   /* x + v a b */                         \
  OP(AddCDiv, 4, kFloats, kPlain)    /* x + v a / b */                       \
  OP(Lerp, 3, kFloats, kPlain)       /* a + w (b - a) */                     \
  OP(FloorDivide, 2, kNumbers, kPlain)                                       \
  OP(TruncDivide, 2, kNumbers, kPlain)                                       \
  OP(Fmod, 2, kNumbers, kPlain)                                              \
  OP(Remainder, 2, kNumbers, kPlain)                                         \
  OP(Maximum, 2, kNumbers, kPlain) /* NaN if either is */                    \
  OP(Minimum, 2, kNumbers, kPlain)                                           \
  OP(FMax, 2, kFloats, kPlain) /* the other one if either is NaN */          \
  OP(FMin, 2, kFloats, kPlain)                                               \
  OP(Clamp, 3, kNumbers, kPlain) /* min(max(x, low), high) */                \
  OP(Neg, 1, kNumbers, kPlain)                                               \
  OP(Abs, 1, kNumbers, kPlain)                                               \
  OP(Sign, 1, kNumbers, kPlain)                                              \
  OP(Square, 1, kNumbers, kPlain)                                            \
  OP(Cube, 1, kNumbers, kPlain)                                              \
  OP(Reciprocal, 1, kFloats, kPlain)                                         \
  OP(Floor, 1, kFloats, kPlain)                                              \
  OP(Ceil, 1, kFloats, kPlain)                                               \
  OP(Round, 1, kFloats, kPlain) /* half to even */                           \
  OP(Trunc, 1, kFloats, kPlain)                                              \
  OP(NanToNum, 1, kFloats, kPlain) /* p: for NaN, q: for inf, r: for -inf */ \
  OP(BitwiseAnd, 2, kInts | kBytes, kPlain)                                  \
  OP(BitwiseOr, 2, kInts | kBytes, kPlain)                                   \
  OP(BitwiseXor, 2, kInts | kBytes, kPlain)                                  \
  OP(BitwiseNot, 1, kInts, kPlain)                                           \
  OP(ShiftLeft, 2, kInts, kPlain)                                            \
  OP(ShiftRight, 2, kInts, kPlain)

#define DLCORE_ELEMENTWISE_COMPARISON(OP)                                            \
  OP(Eq, 2, kAll, kBoolResult)                                                       \
  OP(Ne, 2, kAll, kBoolResult)                                                       \
  OP(Lt, 2, kNumbers, kBoolResult)                                                   \
  OP(Le, 2, kNumbers, kBoolResult)                                                   \
  OP(Gt, 2, kNumbers, kBoolResult)                                                   \
  OP(Ge, 2, kNumbers, kBoolResult)                                                   \
  OP(LogicalAnd, 2, kAll, kBoolResult)                                               \
  OP(LogicalOr, 2, kAll, kBoolResult)                                                \
  OP(LogicalXor, 2, kAll, kBoolResult)                                               \
  OP(LogicalNot, 1, kAll, kBoolResult)                                               \
  OP(IsNan, 1, kFloats, kBoolResult)                                                 \
  OP(IsInf, 1, kFloats, kBoolResult)                                                 \
  OP(IsFinite, 1, kFloats, kBoolResult)                                              \
  OP(IsClose, 2, kNumbers, kBoolResult) /* p: relative, q: absolute, r: equal_nan */ \
  OP(Where, 3, kAll, kBoolFirstInput)                                                \
  OP(MaskedScale, 3, kFloats, kBoolFirstInput) /* s x where the mask holds, else 0 x */

#define DLCORE_ELEMENTWISE_MATH(OP)                                                          \
  OP(Exp, 1, kFloats, kPlain)                                                                \
  OP(Exp2, 1, kFloats, kPlain)                                                               \
  OP(Expm1, 1, kFloats, kPlain)                                                              \
  OP(Log, 1, kFloats, kPlain)                                                                \
  OP(Log1p, 1, kFloats, kPlain)                                                              \
  OP(Log2, 1, kFloats, kPlain)                                                               \
  OP(Log10, 1, kFloats, kPlain)                                                              \
  OP(Sqrt, 1, kFloats, kPlain)                                                               \
  OP(Rsqrt, 1, kFloats, kPlain)                                                              \
  OP(Sin, 1, kFloats, kPlain)                                                                \
  OP(Cos, 1, kFloats, kPlain)                                                                \
  OP(Tan, 1, kFloats, kPlain)                                                                \
  OP(Asin, 1, kFloats, kPlain)                                                               \
  OP(Acos, 1, kFloats, kPlain)                                                               \
  OP(Atan, 1, kFloats, kPlain)                                                               \
  OP(Sinh, 1, kFloats, kPlain)                                                               \
  OP(Cosh, 1, kFloats, kPlain)                                                               \
  OP(Tanh, 1, kFloats, kPlain)                                                               \
  OP(Asinh, 1, kFloats, kPlain)                                                              \
  OP(Acosh, 1, kFloats, kPlain)                                                              \
  OP(Atanh, 1, kFloats, kPlain)                                                              \
  OP(Sigmoid, 1, kFloats, kPlain)                                                            \
  OP(Logit, 1, kFloats, kPlain) /* log(x / (1 - x)), x clamped to [p, 1 - p] where p >= 0 */ \
  OP(Erf, 1, kFloats, kPlain)                                                                \
  OP(Erfc, 1, kFloats, kPlain)                                                               \
  OP(Erfinv, 1, kFloats, kPlain)                                                             \
  OP(Lgamma, 1, kFloats, kPlain)  /* log |gamma(x)| */                                       \
  OP(Digamma, 1, kFloats, kPlain) /* its derivative */                                       \
  OP(Atan2, 2, kFloats, kPlain)                                                              \
  OP(Pow, 2, kNumbers, kPlain)                                                               \
  OP(Xlogy, 2, kFloats, kPlain)                                                              \
  OP(LogAddExp, 2, kFloats, kPlain)

// Backward rows: dx from dy and the forward's input x or result y.
#define DLCORE_ELEMENTWISE_ACTIVATION(OP)                                                  \
  OP(Relu, 1, kNumbers, kPlain)                                                            \
  OP(LeakyRelu, 1, kFloats, kPlain) /* p: slope */                                         \
  OP(Prelu, 2, kFloats, kPlain)     /* x, slope */                                         \
  OP(Elu, 1, kFloats, kPlain)       /* p: negative, q: positive factor, r: input factor */ \
  OP(Gelu, 1, kFloats, kPlain)                                                             \
  OP(GeluTanh, 1, kFloats, kPlain)                                                         \
  OP(Silu, 1, kFloats, kPlain)                                                             \
  OP(Mish, 1, kFloats, kPlain)                                                             \
  OP(Softplus, 1, kFloats, kPlain) /* p: beta, q: threshold */                             \
  OP(Softsign, 1, kFloats, kPlain)                                                         \
  OP(LogSigmoid, 1, kFloats, kPlain)                                                       \
  OP(Hardswish, 1, kFloats, kPlain)                                                        \
  OP(Hardsigmoid, 1, kFloats, kPlain)                                                      \
  OP(Hardshrink, 1, kFloats, kPlain) /* p: lambda */                                       \
  OP(Softshrink, 1, kFloats, kPlain) /* p: lambda */                                       \
  OP(Tanhshrink, 1, kFloats, kPlain)                                                       \
  OP(Threshold, 1, kNumbers, kPlain)        /* p: threshold, q: value */                   \
  OP(ReluBackward, 2, kFloats, kPlain)      /* dy, y */                                    \
  OP(LeakyReluBackward, 2, kFloats, kPlain) /* dy, x */                                    \
  OP(EluBackward, 2, kFloats, kPlain)                                                      \
  OP(GeluBackward, 2, kFloats, kPlain)                                                     \
  OP(GeluTanhBackward, 2, kFloats, kPlain)                                                 \
  OP(SiluBackward, 2, kFloats, kPlain)                                                     \
  OP(MishBackward, 2, kFloats, kPlain)                                                     \
  OP(SoftplusBackward, 2, kFloats, kPlain)                                                 \
  OP(LogSigmoidBackward, 2, kFloats, kPlain)                                               \
  OP(SigmoidBackward, 2, kFloats, kPlain) /* dy, y */                                      \
  OP(TanhBackward, 2, kFloats, kPlain)    /* dy, y */                                      \
  OP(HardswishBackward, 2, kFloats, kPlain)                                                \
  OP(ClampBackward, 2, kFloats, kPlain)   /* dy where p <= x <= q, else 0 */               \
  OP(InsideBackward, 2, kFloats, kPlain)  /* 0 where x <= p or x >= q, else dy */          \
  OP(OutsideBackward, 2, kFloats, kPlain) /* 0 where p <= x <= q, else dy */

#define DLCORE_ELEMENTWISE(OP)      \
  DLCORE_ELEMENTWISE_ARITHMETIC(OP) \
  DLCORE_ELEMENTWISE_COMPARISON(OP) \
  DLCORE_ELEMENTWISE_MATH(OP)       \
  DLCORE_ELEMENTWISE_ACTIVATION(OP)

enum class ElementwiseOp : uint8_t {
#define DLCORE_OP(name, ...) name,
  DLCORE_ELEMENTWISE(DLCORE_OP)
#undef DLCORE_OP
      Copy,  // has no row: converting is all there is to do
};

struct ElementwiseInfo {
  const char* name;
  int inputs;
  uint8_t types, flags;
};
inline constexpr ElementwiseInfo kElementwise[] = {
#define DLCORE_OP(name, inputs, types, flags) {#name, inputs, types, flags},
    DLCORE_ELEMENTWISE(DLCORE_OP)
#undef DLCORE_OP
        {"Copy", 1, kNumbers, kPlain},
};
inline constexpr int kElementwiseOps = static_cast<int>(ElementwiseOp::Copy);
inline constexpr int kMaxElementwiseInputs = 5;

constexpr uint8_t compute_bit(DType t) {
  return t == DType::Float32   ? kFloat
         : t == DType::Float64 ? kDouble
         : t == DType::Int32   ? kInt32
         : t == DType::Int64   ? kInt64
         : t == DType::Bool    ? kBytes
                               : 0;
}

// y[i] = op(x[0][i * step[0]], x[1][i * step[1]], ...) for i < n; steps are 0 or 1. y may be one of the inputs.
// Elements are of the compute type; a bool result or input is one byte, 0 or 1.
using Row = void (*)(int64_t n, void* y, const void* const* x, const int* step, const double* params);

// n1 runs of n0 elements; element (j, i) lies at j * stride1 + i * stride0 bytes on the strided side, and at index
// j * n0 + i on the dense side, which holds rows for computing.
struct Tile {
  int64_t n0, n1, stride0, stride1;
};
using LoadTile = void (*)(void* dense, const void* strided, const Tile&);
using StoreTile = void (*)(void* strided, const void* dense, const Tile&);

inline constexpr int kMaxLoopDims = 64;

struct ElementwiseOperand {
  char* data;
  DType dtype;
  int64_t strides[kMaxLoopDims];  // bytes
};

// y = op(x[0], x[1], ...) over `sizes`. Dimension 0 is the innermost.
struct ElementwiseLoop {
  int ndim = 0, inputs = 0;
  int64_t sizes[kMaxLoopDims];
  ElementwiseOperand y, x[kMaxElementwiseInputs];
};

}  // namespace dlcore::kernel

namespace dlcore {
struct KernelTable;
}

namespace dlcore::kernel {

// Sorts the dimensions so that memory is walked in order (y's order first where it has strides, then the inputs'), and
// notes which dimension went where: order[i] is the old index of dimension i.
void order_dims(ElementwiseLoop& loop, bool y_has_strides, int* order);

// Runs an ordered loop. y may alias an input exactly, but not overlap one otherwise. Same bits for any thread count.
void run_elementwise(const KernelTable& table, ElementwiseOp op, DType compute, ElementwiseLoop& loop,
                     const double* params);

// The same where y and all inputs are dense in one order and of the row's own types (step 0: a single element).
struct DenseOperand {
  void* data;
  int item, step;
};
void run_row(const KernelTable& table, ElementwiseOp op, DType compute, int64_t n, DenseOperand y,
             const DenseOperand* x, int inputs, const double* params);

}  // namespace dlcore::kernel
