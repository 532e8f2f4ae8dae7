#pragma once
// What the indexing ops share: the space of elements that an index names, and writes into a copy or in place.
#include "kernels/index.h"
#include "ops/internal.h"

namespace dlcore {

struct IndexOperand {
  Tensor index;
  Dims strides;  // one a dimension of the space
  int64_t dim;   // of x, for the message
  int64_t size;  // of that dimension
  int64_t step;  // its stride in x
};

// Coordinates, each naming an element of x (moved by strides and by index tensors) and one of y (moved by strides).
struct IndexSpace {
  const char* op;
  Dims sizes, x_strides, y_strides;
  std::vector<IndexOperand> operands;
  bool negative = false;  // negative indices count from the end

  // y <- x[indices]
  void read(const Tensor& x, const Tensor& y) const;
  // x[indices] <- y, or combined with what is there
  void write(kernel::IndexWrite how, const Tensor& x, const Tensor& y) const;

 private:
  template <class F>
  void run(const Tensor& x, const Tensor& y, const F& kernel) const;
  [[noreturn]] void fail_out_of_range() const;
};

// ---- an index per element (ops/gather.cpp)

// dim brought to [0, x.dim()), after the checks of gather, and of scatter with its src (undefined: a number).
int64_t check_gather(const char* op, const Tensor& x, int64_t dim, const Tensor& index);
int64_t check_scatter(const char* op, const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
// x[.., index[c], ..] (+)= src[c], in x's memory, without history; a zero-dimensional src can be one value for all.
void scatter_into(const char* op, kernel::IndexWrite how, const Tensor& x, int64_t dim, const Tensor& index,
                  const Tensor& src, bool one_value = false);
// dy gathered for src, which may be larger than index: what was not read has no gradient.
Tensor src_gradient(const Tensor& dy, int64_t dim, const Tensor& index, const Dims& src_sizes);

// ---- helpers

// A zero-dimensional tensor counts as one-dimensional.
inline Dims at_least_1d(IntSpan s) { return s.empty() ? Dims{1} : Dims(s); }
// index is int64 or int32.
void check_index_dtype(const char* op, const Tensor& index);

// A copy of x without history, in x's order in memory.
Tensor fresh_copy(const Tensor& x);
// Whether writing to one would change the other: ops then write from a copy.
inline bool share_memory(const Tensor& a, const Tensor& b) {
  return a.impl()->storage.get() == b.impl()->storage.get();
}

// bfloat16 and float16 accumulate in float32: f(x, y) runs on float32 copies, and x gets the result rounded once.
template <class F>
void accumulate_wide(const Tensor& x, const Tensor& y, const F& f) {
  if (!is_half(x.dtype())) return f(x, y);
  NoGrad no_grad;
  const Tensor wide = to_dtype(x, DType::Float32);
  f(wide, to_dtype(y, DType::Float32));
  copy_data(x, wide);
}

// The result of an op that overwrites some elements of x: in a copy of x, or in x itself. write(y) stores them in y;
// backward is the gradient formula, with x as input 0 and then `inputs`. It does not need x's old elements, so the
// in-place form needs no copy.
template <class Write, class Backward>
Tensor written(const char* op, bool in_place, const Tensor& x, const TensorList& inputs, const Write& write,
               Backward backward) {
  TensorList all{x};
  all.insert(all.end(), inputs.begin(), inputs.end());
  if (!in_place) {
    Tensor y = fresh_copy(x);
    write(y);
    record(op, y, all, std::move(backward));
    return y;
  }
  check_inplace(op, x);
  all[0] = shadow(x);
  write(x);
  Tensor y = x.detach();
  record(op, y, all, std::move(backward));
  finish_inplace(x, y);
  return x;
}

}  // namespace dlcore
