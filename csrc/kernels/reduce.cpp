#include "kernels/reduce.h"

#include "kernels/softmax.h"

#include <algorithm>
#include <cstdlib>

namespace dlcore::kernel {

ReduceLoops::ReduceLoops(IntSpan sizes, IntSpan x_strides, IntSpan y_strides, uint64_t mask) {
  // Insertion sort by x's step, largest first: there are few dimensions, mostly in order already.
  int order[kMax], n = 0;
  for (int d = 0; d < static_cast<int>(sizes.size()); ++d) {
    if (sizes[d] == 1) continue;
    int at = n++;
    for (; at > 0 && std::abs(x_strides[order[at - 1]]) < std::abs(x_strides[d]); --at) order[at] = order[at - 1];
    order[at] = d;
  }
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    const bool reduce = mask >> d & 1;
    Loop* nest = reduce ? reduced : kept;
    int& dims = reduce ? reduced_dims : kept_dims;
    const Loop loop{sizes[d], x_strides[d], y_strides[d]};
    (reduce ? count : outputs) *= loop.size;
    if (dims > 0 && nest[dims - 1].x == loop.x * loop.size && nest[dims - 1].y == loop.y * loop.size) {
      nest[dims - 1] = {nest[dims - 1].size * loop.size, loop.x, loop.y};
    } else {
      nest[dims++] = loop;
    }
  }
  // A nest without elements is one empty loop, so that the sizes that an index is divided by are never 0.
  if (outputs == 0) kept_dims = 0;
  if (count == 0) reduced_dims = 0;
  if (!kept_dims) kept[kept_dims++] = {outputs, 0, 0};
  if (!reduced_dims) reduced[reduced_dims++] = {count, 0, 0};
  const Loop &k = kept[kept_dims - 1], &r = reduced[reduced_dims - 1];
  // Short rows are cheaper as columns, too: a strided read of many outputs instead of a fold of a few elements each.
  columns = k.size > 1 && (r.size == 1 || std::abs(k.x) < std::abs(r.x) || (r.size < 16 && k.size >= 16));
}

ReducePlan::ReducePlan(const ReduceLoops& l, int64_t max_width, bool cut) {
  constexpr int64_t kTask = 1 << 15, kMaxTask = 1 << 18;  // elements that a task reads
  const int64_t line = std::max<int64_t>(l.kept[l.kept_dims - 1].size, 1);
  const int64_t count = std::max<int64_t>(l.count, 1);
  // Enough tasks for any machine, none so short that starting it shows.
  const int64_t task = std::clamp(l.outputs * count / 64, kTask, kMaxTask);
  width = std::clamp<int64_t>(l.columns ? line : task / count, 1, std::min(line, max_width));
  line_blocks = (line + width - 1) / width;
  blocks = l.outputs / line * line_blocks;
  // Each chunk costs a pass over its results: only where the outputs alone don't make enough tasks.
  chunk = std::max<int64_t>(task / width, 1);
  if (!cut || blocks >= 64 || chunk * 2 > count) chunk = count;
  chunks = (count + chunk - 1) / chunk;
  grain = std::max<int64_t>(1, task / (chunk * width));
}

namespace {

constexpr int64_t kCached = 1 << 16, kLeastWidth = 16;  // elements

}  // namespace

SoftmaxPlan::SoftmaxPlan(const ReduceLoops& l)
    : whole(l.count <= (l.columns ? kCached / kLeastWidth : kCached)),
      cut(l,
          whole ? std::clamp(kCached / 2 / std::max<int64_t>(l.count, 1), kLeastWidth, ReducePlan::kMaxWidth)
                : ReducePlan::kMaxWidth,
          !whole) {}

}  // namespace dlcore::kernel
