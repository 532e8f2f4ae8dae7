// Pooling forward and forward + backward, GB/s against a copy of as many bytes.
#include "dlcore/dlcore.h"
#include "op.h"

namespace {

using namespace dlcore;
using bench::add_op;

template <class F>
void add(const std::string& name, int64_t size, int64_t stride, F f) {
  const double bytes =
      4.0 * 8 * 64 * static_cast<double>(size * size) * (1 + 1.0 / static_cast<double>(stride * stride));
  add_op("pool/forward/" + name, {.bytes = bytes}, [=] { return [=, x = randn({8, 64, size, size})] { f(x); }; });
  add_op("pool/forward and backward/" + name, {.bytes = 2 * bytes}, [=] {
    Tensor x = randn({8, 64, size, size});
    x.set_requires_grad(true);
    const Tensor dy = randn(f(x).sizes());
    return [=] { grad(TensorList{f(x)}, {x}, {dy}); };
  });
}

const int registered = [] {
  add("max 2x2", 56, 2, [](const Tensor& x) { return max_pool2d(x, {2}); });
  add("max 3x3 stride 2", 56, 2, [](const Tensor& x) { return max_pool2d(x, {3}, IntSpan{2}, {1}); });
  add("average 2x2", 56, 2, [](const Tensor& x) { return avg_pool2d(x, {2}); });
  add("average 3x3 stride 1", 28, 1, [](const Tensor& x) { return avg_pool2d(x, {3}, IntSpan{1}, {1}); });
  return 0;
}();

}  // namespace
