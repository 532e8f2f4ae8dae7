// Elementwise ops on 1M float32 elements (and the layouts that matter), GB/s against a copy of as many bytes.
#include "dlcore/dlcore.h"
#include "op.h"

namespace {

using namespace dlcore;
using bench::add_op;

constexpr int64_t kSize = 1 << 20;
constexpr double kBytes = 4.0 * kSize;

Tensor values(IntSpan sizes) { return add(mul(rand(sizes), full({}, 0.9)), full({}, 0.05)); }

template <class F>
void unary(const char* name, F f) {
  add_op(std::string("elementwise/") + name, {.bytes = 2 * kBytes}, [=] { return [=, x = values({kSize})] { f(x); }; });
}
template <class F>
void binary(const char* name, IntSpan a, IntSpan b, F f) {
  const std::vector<int64_t> left(a.begin(), a.end()), right(b.begin(), b.end());
  add_op(std::string("elementwise/") + name, {.bytes = 3 * kBytes},
         [=] { return [=, x = values(left), y = values(right)] { f(x, y); }; });
}

const int registered = [] {
  unary("relu", relu);
  unary("exp", exp);
  unary("log", log);
  unary("sqrt", sqrt);
  unary("sin", sin);
  unary("tanh", tanh);
  unary("sigmoid", sigmoid);
  unary("erf", erf);
  unary("gelu", [](const Tensor& x) { return gelu(x); });
  unary("to bfloat16 and back", [](const Tensor& x) { return to_dtype(to_dtype(x, DType::BFloat16), DType::Float32); });
  unary("transpose", [](const Tensor& x) { return contiguous(transpose(view(x, {1024, 1024}), 0, 1)); });
  binary("add", {kSize}, {kSize}, [](const Tensor& x, const Tensor& y) { return x + y; });
  binary("add row", {1024, 1024}, {1024}, [](const Tensor& x, const Tensor& y) { return x + y; });
  binary("add column", {1024, 1024}, {1024, 1}, [](const Tensor& x, const Tensor& y) { return x + y; });
  binary("div", {kSize}, {kSize}, [](const Tensor& x, const Tensor& y) { return x / y; });
  binary("pow", {kSize}, {kSize}, [](const Tensor& x, const Tensor& y) { return pow(x, y); });
  binary("less", {kSize}, {kSize}, [](const Tensor& x, const Tensor& y) { return lt(x, y); });
  return 0;
}();

}  // namespace
