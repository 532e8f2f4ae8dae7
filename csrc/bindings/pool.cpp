#include "dlcore/ops/pool.h"

#include "bindings/op.h"

namespace dlcore::bindings {
namespace {

constexpr const char* kMaxNames[] = {"max_pool1d", "max_pool2d", "max_pool3d"};
constexpr const char* kAvgNames[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
constexpr const char* kAdaptiveAvgNames[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};
constexpr const char* kAdaptiveMaxNames[] = {"adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"};

template <int N>
void bind(Ops& ops) {
  const std::string n = std::to_string(N), ints = "int[" + n + "]";
  const std::string window =
      "(Tensor input, " + ints + " kernel_size, " + ints + "? stride=None, " + ints + " padding=0, ";
  const std::string max = window + ints + " dilation=1, bool ceil_mode=False) -> ";
  ops.function<[](const Tensor& x, IntSpan k, std::optional<IntSpan> s, IntSpan p, IntSpan d, bool ceil) {
    return max_pool(kMaxNames[N - 1], N, x, k, s, p, d, ceil);
  }>((kMaxNames[N - 1] + max + "Tensor").c_str());
  ops.function<[](const Tensor& x, IntSpan k, std::optional<IntSpan> s, IntSpan p, IntSpan d, bool ceil) {
    return max_pool_with_indices(kMaxNames[N - 1], N, x, k, s, p, d, ceil);
  }>((kMaxNames[N - 1] + ("_with_indices" + max) + "(Tensor, Tensor)").c_str());
  if constexpr (N == 1)
    ops.function<[](const Tensor& x, IntSpan k, std::optional<IntSpan> s, IntSpan p, bool ceil, bool with_padding) {
      return avg_pool("avg_pool1d", 1, x, k, s, p, ceil, with_padding);
    }>((kAvgNames[0] + window + "bool ceil_mode=False, bool count_include_pad=True) -> Tensor").c_str());
  else
    ops.function<[](const Tensor& x, IntSpan k, std::optional<IntSpan> s, IntSpan p, bool ceil, bool with_padding,
                    std::optional<int64_t> divisor) {
      return avg_pool(kAvgNames[N - 1], N, x, k, s, p, ceil, with_padding, divisor);
    }>((kAvgNames[N - 1] + window +
        "bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor")
           .c_str());
  const std::string adaptive = "(Tensor input, " + ints + " output_size) -> ";
  ops.function<[](const Tensor& x, IntSpan size) { return adaptive_avg_pool(kAdaptiveAvgNames[N - 1], N, x, size); }>(
      (kAdaptiveAvgNames[N - 1] + adaptive + "Tensor").c_str());
  ops.function<[](const Tensor& x, IntSpan size) { return adaptive_max_pool(kAdaptiveMaxNames[N - 1], N, x, size); }>(
      (kAdaptiveMaxNames[N - 1] + adaptive + "(Tensor, Tensor)").c_str());
}

}  // namespace

void bind_pool(Ops& ops) {
  bind<1>(ops);
  bind<2>(ops);
  bind<3>(ops);
}

}  // namespace dlcore::bindings
