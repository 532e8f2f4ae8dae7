#include "kernels/elementwise.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "core/stream.h"
#include "kernels/list.h"

// The loop is cut into tiles of n1 x n0 elements. Where an operand's part of a tile is a row already (dense, of the
// compute type) the row reads it in place; otherwise it is gathered into scratch that stays in the L1 cache, and a
// result is scattered likewise. Tiles are 32 x 32 where an operand runs along another dimension than the result (a
// transpose), long and flat where rows are long, and several short rows where they are short.
namespace dlcore::kernel {
namespace {

constexpr int64_t kScratchBytes = 4096;  // an operand's part of a tile
constexpr int64_t kGrain = 1 << 15;      // elements a thread takes at a time, or a 16th of all: streams like to be long
constexpr int64_t kLongRow = 1024;       // elements from which a row is worth a call of its own

constexpr int64_t kLine = 64, kPiece = 16 * kLine;  // bytes of a result that are streamed at a time

// Whether a result is streamed: that of an op which waits for memory, not over an input.
template <class Input>
bool streams(ElementwiseOp op, const void* y, int64_t item, int64_t n, const Input* x, int inputs) {
  const bool light = op < ElementwiseOp::Eq || op == ElementwiseOp::Copy;  // arithmetic
  bool fresh = light && reinterpret_cast<uintptr_t>(y) % static_cast<uintptr_t>(item) == 0;
  for (int k = 0; k < inputs; ++k) fresh &= x[k].data != y;
  return fresh && dlcore::streams(n * item, 1);
}

// One call of a row: a step of 0 repeats a single element of x.
struct RowCall {
  Row row;
  int inputs;
  const double* params;
  int64_t n;
  char* y;
  int64_t item;  // of y
  const void* x[kMaxElementwiseInputs];
  int64_t items[kMaxElementwiseInputs];
  int step[kMaxElementwiseInputs];

  // Elements [begin, begin + count), their results from `to` on.
  void run(int64_t begin, int64_t count, char* to) const {
    const void* at[kMaxElementwiseInputs];
    for (int k = 0; k < inputs; ++k) at[k] = static_cast<const char*>(x[k]) + begin * items[k] * step[k];
    row(count, to, at, step, params);
  }
  void run() const { row(n, y, x, step, params); }

  // Results go past the caches, a piece at a time, but for those before and behind whole lines.
  void stream(const KernelTable& table) const {
    alignas(kLine) char piece[kPiece];
    const int64_t count = kPiece / item;
    int64_t i = std::min(n, static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) & (kLine - 1)) / item);
    if (i > 0) run(0, i, y);
    for (; i + count <= n; i += count) {
      run(i, count, piece);
      table.stream(y + i * item, piece, kPiece);
    }
    if (i < n) run(i, n - i, y + i * item);
  }
};

void swap_dims(ElementwiseLoop& l, int a, int b, int* order) {
  std::swap(l.sizes[a], l.sizes[b]);
  std::swap(l.y.strides[a], l.y.strides[b]);
  for (int k = 0; k < l.inputs; ++k) std::swap(l.x[k].strides[a], l.x[k].strides[b]);
  std::swap(order[a], order[b]);
}

// Whether dimension a should lie outside of dimension b: > 0 yes, < 0 no, 0 the operands don't say.
int compare_dims(const ElementwiseLoop& l, int a, int b, bool y_has_strides) {
  for (int k = y_has_strides ? -1 : 0; k < l.inputs; ++k) {
    const int64_t* s = k < 0 ? l.y.strides : l.x[k].strides;
    if (s[a] == 0 || s[b] == 0) continue;
    if (s[a] != s[b]) return s[a] > s[b] ? 1 : -1;
    if (l.sizes[a] > l.sizes[b]) return 1;
  }
  return 0;
}

// Merges dimensions that every operand walks as one; drops those of size 1.
void coalesce(ElementwiseLoop& l) {
  const auto each = [&](auto f) {
    f(l.y.strides);
    for (int k = 0; k < l.inputs; ++k) f(l.x[k].strides);
  };
  int last = -1;
  for (int d = 0; d < l.ndim; ++d) {
    if (l.sizes[d] == 1) continue;
    bool merges = last >= 0;
    if (merges) each([&](const int64_t* s) { merges &= s[d] == s[last] * l.sizes[last]; });
    if (merges) {
      l.sizes[last] *= l.sizes[d];
      continue;
    }
    ++last;
    l.sizes[last] = l.sizes[d];
    each([&](int64_t* s) { s[last] = s[d]; });
  }
  for (l.ndim = last + 1; l.ndim < 2; ++l.ndim) {
    l.sizes[l.ndim] = 1;
    each([&](int64_t* s) { s[l.ndim] = 0; });
  }
}

// Brings to position 1 the dimension along which some operand is contiguous, if that is not dimension 0.
bool bring_transposed_dim(ElementwiseLoop& l) {
  int64_t best = INT64_MAX;
  int found = 0;
  for (int k = -1; k < l.inputs; ++k) {
    const int64_t* s = k < 0 ? l.y.strides : l.x[k].strides;
    for (int d = 1; d < l.ndim; ++d)
      if (s[d] > 0 && s[d] < s[0] && s[d] < best) {
        best = s[d];
        found = d;
      }
  }
  if (!found) return false;
  int order[kMaxLoopDims];
  for (int d = found; d > 1; --d) swap_dims(l, d, d - 1, order);
  return true;
}

struct Access {
  const ElementwiseOperand* operand;
  DType row;             // what the row reads or writes
  int64_t item;          // ... and its size
  bool typed;            // memory holds that type
  bool repeats = false;  // the same part of it is used by every tile
  LoadTile load = nullptr;
};

class Tiles {
 public:
  Tiles(const KernelTable& table, ElementwiseOp op, DType compute, ElementwiseLoop& loop, const double* params)
      : table_(table), op_(op), loop_(loop), params_(params) {
    const ElementwiseInfo& info = kElementwise[static_cast<int>(op)];
    copy_ = op == ElementwiseOp::Copy;
    moves_ = copy_ && loop.y.dtype == loop.x[0].dtype;
    if (!copy_) row_ = table.elementwise_row(op, compute);
    y_ = access(loop.y, info.flags & kBoolResult ? DType::Bool : compute);
    store_ = table.elementwise_store(y_.row, loop.y.dtype);
    for (int k = 0; k < loop.inputs; ++k) {
      x_[k] = access(loop.x[k], k == 0 && (info.flags & kBoolFirstInput) ? DType::Bool : compute);
      x_[k].load = table.elementwise_load(loop.x[k].dtype, x_[k].row);
    }
    shape_tiles(compute);
  }

  void run() const {
    const int64_t tile = tile0_ * tile1_;
    parallel_for(count_, std::max({kGrain / tile, count_ / 16, int64_t{1}}),
                 [&](int64_t begin, int64_t end) { run_tiles(begin, end); });
  }

 private:
  Access access(const ElementwiseOperand& o, DType row) const { return {&o, row, item_size(row), o.dtype == row}; }

  void shape_tiles(DType compute) {
    const bool transposed = bring_transposed_dim(loop_);
    const int64_t n0 = loop_.sizes[0], n1 = loop_.sizes[1];
    const int64_t item = moves_ ? item_size(loop_.y.dtype) : item_size(compute);
    const int64_t capacity = kScratchBytes / item;
    bool in_place = y_.typed || moves_;  // all rows can be read and written where they lie
    const auto direct = [&](const ElementwiseOperand& o, bool typed) {
      return (typed && (o.strides[0] == item_size(o.dtype) || moves_)) || o.strides[0] == 0;
    };
    in_place &= direct(loop_.y, y_.typed);
    for (int k = 0; k < loop_.inputs; ++k) in_place &= direct(loop_.x[k], x_[k].typed || moves_);
    const bool rows_join = loop_.y.strides[1] == n0 * item_size(loop_.y.dtype);
    if (transposed) {
      tile1_ = std::min<int64_t>(n1, 32);
      tile0_ = std::min(n0, capacity / tile1_);
      tile1_ = std::min(n1, capacity / tile0_);
    } else if (in_place && (n0 >= kLongRow || (!rows_join && n0 >= 32))) {
      tile0_ = std::min(n0, kGrain);
      tile1_ = copy_ && !moves_ ? 1 : std::min(n1, std::max<int64_t>(1, kGrain / tile0_));
      by_rows_ = !copy_;
      streams_ = streams_result();
    } else {
      tile0_ = std::min(n0, capacity);
      tile1_ = std::min(n1, capacity / tile0_);
    }
    count0_ = (n0 + tile0_ - 1) / tile0_;
    count1_ = (n1 + tile1_ - 1) / tile1_;
    count_ = count0_ * count1_;
    for (int d = 2; d < loop_.ndim; ++d) count_ *= loop_.sizes[d];
    for (int k = 0; k < loop_.inputs; ++k) {
      x_[k].repeats = !copy_ && (count0_ == 1 || loop_.x[k].strides[0] == 0);
      for (int d = 1; d < loop_.ndim; ++d) x_[k].repeats &= loop_.x[k].strides[d] == 0;
    }
  }

  bool streams_result() const {
    int64_t n = 1;
    for (int d = 0; d < loop_.ndim; ++d) n *= loop_.sizes[d];
    return streams(op_, loop_.y.data, item_size(loop_.y.dtype), n, loop_.x, loop_.inputs);
  }

  struct Scratch {
    alignas(64) char y[kScratchBytes];
    alignas(64) char x[kMaxElementwiseInputs][kScratchBytes];
    bool loaded[kMaxElementwiseInputs] = {};  // x[k] holds an operand that repeats
  };

  void run_tiles(int64_t begin, int64_t end) const {
    Scratch scratch;
    for (int64_t t = begin; t < end; ++t) {
      int64_t rest = t, at[kMaxLoopDims];
      at[0] = rest % count0_ * tile0_;
      rest /= count0_;
      at[1] = rest % count1_ * tile1_;
      rest /= count1_;
      for (int d = 2; d < loop_.ndim; ++d) {
        at[d] = rest % loop_.sizes[d];
        rest /= loop_.sizes[d];
      }
      run_tile(at, std::min(tile0_, loop_.sizes[0] - at[0]), std::min(tile1_, loop_.sizes[1] - at[1]), scratch);
    }
  }

  char* place(const ElementwiseOperand& o, const int64_t* at) const {
    int64_t offset = 0;
    for (int d = 0; d < loop_.ndim; ++d) offset += at[d] * o.strides[d];
    return o.data + offset;
  }

  // Rows that are read and written where they lie.
  void run_rows(const int64_t* at, int64_t n0, int64_t n1, Scratch& scratch) const {
    RowCall call{row_, loop_.inputs, params_, n0, place(loop_.y, at), y_.item, {}, {}, {}};
    const char* from[kMaxElementwiseInputs];
    for (int k = 0; k < loop_.inputs; ++k) {
      from[k] = place(loop_.x[k], at);
      call.items[k] = x_[k].item;
      call.step[k] = n0 > 1 && loop_.x[k].strides[0] != 0;
    }
    for (int64_t r = 0; r < n1; ++r, call.y += loop_.y.strides[1]) {
      for (int k = 0; k < loop_.inputs; ++k) {
        call.x[k] = from[k];
        if (!x_[k].typed) {  // a single element
          x_[k].load(scratch.x[k], from[k], {1, 1, 0, 0});
          call.x[k] = scratch.x[k];
        }
        from[k] += loop_.x[k].strides[1];
      }
      streams_ ? call.stream(table_) : call.run();
    }
    if (streams_) stream_fence();
  }

  void run_tile(const int64_t* at, int64_t n0, int64_t n1, Scratch& scratch) const {
    if (by_rows_) return run_rows(at, n0, n1, scratch);
    const auto dense = [&](const ElementwiseOperand& o, int64_t item) {
      return (o.strides[0] == item || n0 == 1) && (n1 == 1 || o.strides[1] == n0 * item);
    };
    char* y = place(loop_.y, at);
    const int64_t* ys = loop_.y.strides;
    if (moves_) {
      const int64_t *xs = loop_.x[0].strides, item = item_size(loop_.y.dtype);
      const char* x = place(loop_.x[0], at);
      if (!streams_ || ys[0] != item || xs[0] != item)
        return table_.copy_tile(item, y, ys[0], ys[1], x, xs[0], xs[1], n0, n1);
      for (int64_t r = 0; r < n1; ++r) table_.stream(y + r * ys[1], x + r * xs[1], n0 * item);
      return stream_fence();
    }
    const bool y_direct = y_.typed && dense(loop_.y, y_.item);
    void* out = y_direct ? y : scratch.y;
    const void* x[kMaxElementwiseInputs];
    int step[kMaxElementwiseInputs];
    for (int k = 0; k < loop_.inputs; ++k) {
      const Access& a = x_[k];
      const ElementwiseOperand& o = loop_.x[k];
      const char* p = place(o, at);
      const bool single = (n0 == 1 || o.strides[0] == 0) && (n1 == 1 || o.strides[1] == 0) && !copy_;
      step[k] = single ? 0 : 1;
      if (a.typed && (single || dense(o, a.item))) {
        x[k] = p;
        continue;
      }
      void* buffer = copy_ && y_direct ? out : scratch.x[k];
      x[k] = buffer;
      if (scratch.loaded[k]) continue;
      if (single)
        a.load(buffer, p, {1, 1, 0, 0});
      else
        a.load(buffer, p, {n0, a.repeats ? tile1_ : n1, o.strides[0], o.strides[1]});
      scratch.loaded[k] = a.repeats;
    }
    if (copy_) {
      if (!y_direct) store_(y, x[0], {n0, n1, ys[0], ys[1]});
      return;
    }
    row_(n0 * n1, out, x, step, params_);
    if (!y_direct) store_(y, out, {n0, n1, ys[0], ys[1]});
  }

  const KernelTable& table_;
  const ElementwiseOp op_;
  ElementwiseLoop& loop_;
  const double* params_;
  bool copy_, moves_, by_rows_ = false, streams_ = false;
  Row row_ = nullptr;
  Access y_, x_[kMaxElementwiseInputs];
  StoreTile store_ = nullptr;
  int64_t tile0_, tile1_, count0_, count1_, count_;
};

}  // namespace

void order_dims(ElementwiseLoop& l, bool y_has_strides, int* order) {
  for (int d = 0; d < l.ndim; ++d) order[d] = d;
  for (int i = 1; i < l.ndim; ++i)
    for (int b = i, a = i - 1; a >= 0; --a) {  // insertion sort that looks past dimensions it cannot compare with
      const int c = compare_dims(l, a, b, y_has_strides);
      if (c < 0) break;
      if (c == 0) continue;
      swap_dims(l, a, b, order);
      b = a;
    }
}

void run_elementwise(const KernelTable& table, ElementwiseOp op, DType compute, ElementwiseLoop& loop,
                     const double* params) {
  for (int d = 0; d < loop.ndim; ++d)
    if (loop.sizes[d] == 0) return;
  coalesce(loop);
  Tiles(table, op, compute, loop, params).run();
}

void run_row(const KernelTable& table, ElementwiseOp op, DType compute, int64_t n, DenseOperand y,
             const DenseOperand* x, int inputs, const double* params) {
  const Row row = table.elementwise_row(op, compute);
  const bool past = streams(op, y.data, y.item, n, x, inputs);
  parallel_for(n, std::max(kGrain, n / 16), [&](int64_t begin, int64_t end) {
    RowCall call{row, inputs, params, end - begin, static_cast<char*>(y.data) + begin * y.item, y.item, {}, {}, {}};
    for (int k = 0; k < inputs; ++k) {
      call.x[k] = static_cast<const char*>(x[k].data) + begin * x[k].item * x[k].step;
      call.items[k] = x[k].item;
      call.step[k] = x[k].step;
    }
    if (!past) return call.run();
    call.stream(table);
    stream_fence();
  });
}

}  // namespace dlcore::kernel
