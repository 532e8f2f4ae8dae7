#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Elementwise ops. A tier provides rows (contiguous loops) and tiles (conversion between memory and rows); the driver in
// elementwise.cpp, compiled once, turns any broadcast, strided, mixed-dtype problem into those.
//
// Only float, double, int32 and int64 are computed in: the 16-bit floating point types go through float, the small
// integers and bool through int32 (wrapped, or compared with 0, when stored).
namespace dlcore::kernel {

enum ComputeTypes : uint8_t { kFloat = 1, kDouble = 2, kInt32 = 4, kInt64 = 8, kFloats = 3, kInts = 12, kNumbers = 15 };
enum RowFlags : uint8_t { kPlain = 0, kBoolResult = 1, kBoolFirstInput = 2 };

//    name, inputs, types it is computed in, flags
#define DLCORE_ELEMENTWISE_ARITHMETIC(OP)     \
  OP(Add, 2, kNumbers, kPlain)                \
  OP(Sub, 2, kNumbers, kPlain)                \
  OP(Mul, 2, kNumbers, kPlain)                \
  OP(Div, 2, kFloats, kPlain)                 \
  OP(AddScaled, 3, kNumbers, kPlain)          \
  OP(Neg, 1, kNumbers, kPlain)

#define DLCORE_ELEMENTWISE(OP) DLCORE_ELEMENTWISE_ARITHMETIC(OP)

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
  return t == DType::Float32 ? kFloat : t == DType::Float64 ? kDouble : t == DType::Int32 ? kInt32 : t == DType::Int64 ? kInt64 : 0;
}

// y[i] = op(x[0][i * step[0]], x[1][i * step[1]], ...) for i < n; steps are 0 or 1. y may be one of the inputs. Elements
// are of the compute type; a bool result or input is one byte, 0 or 1.
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
void run_elementwise(const KernelTable& table, ElementwiseOp op, DType compute, ElementwiseLoop& loop, const double* params);

// The same where y and all inputs are dense in one order and of the row's own types (step 0: a single element).
struct DenseOperand {
  void* data;
  int item, step;
};
void run_row(Row row, int64_t n, DenseOperand y, const DenseOperand* x, int inputs, const double* params);

}  // namespace dlcore::kernel
