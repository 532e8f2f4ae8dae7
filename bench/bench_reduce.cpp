// Reductions, softmax and scans of float32 matrices, GB/s against a copy of as many bytes.
#include "dlcore/dlcore.h"
#include "op.h"

namespace {

using namespace dlcore;
using bench::add_op;

template <class F>
void add(const std::string& name, int64_t rows, int64_t cols, double passes, F f) {
  add_op("reduce/" + name + "/" + std::to_string(rows) + "x" + std::to_string(cols),
         {.bytes = passes * 4 * static_cast<double>(rows * cols)},
         [=] { return [=, x = randn({rows, cols})] { f(x); }; });
}

const int registered = [] {
  for (auto [rows, cols] : {std::pair<int64_t, int64_t>{2048, 2048}, {64, 32768}, {131072, 8}}) {
    add("sum", rows, cols, 1, [](const Tensor& x) { return sum(x); });
    add("sum rows", rows, cols, 1, [](const Tensor& x) { return sum(x, IntSpan{1}); });
    add("sum columns", rows, cols, 1, [](const Tensor& x) { return sum(x, IntSpan{0}); });
    add("max rows, with indices", rows, cols, 1, [](const Tensor& x) { return max_dim(x, 1); });
    add("var rows", rows, cols, 1, [](const Tensor& x) { return var(x, IntSpan{1}); });
    add("softmax", rows, cols, 2, [](const Tensor& x) { return softmax(x, 1); });
    add("log_softmax", rows, cols, 2, [](const Tensor& x) { return log_softmax(x, 1); });
    add("cumsum", rows, cols, 2, [](const Tensor& x) { return cumsum(x, 1); });
  }
  return 0;
}();

}  // namespace
