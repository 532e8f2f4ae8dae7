// Every elementwise op in every compute type on every tier against kernels/ref; then the loops around the rows:
// strides, broadcasting, conversions, aliasing, threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/tensor_impl.h"
#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/ref/elementwise.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

using kernel::ElementwiseOp;
using kernel::kElementwise;

std::mt19937 engine(3);
int below(int n) { return static_cast<int>(engine() % static_cast<unsigned>(n)); }

template <class T>
constexpr bool kReal = std::is_floating_point_v<T>;

// Values that the ops are defined for and that hit both sides of their branches.
template <class T>
T value(ElementwiseOp op, int input) {
  if constexpr (kReal<T>) {
    if (op >= ElementwiseOp::Asin && op <= ElementwiseOp::Acos) return T(below(2001) - 1000) / 1000;
    if (op == ElementwiseOp::Atanh || op == ElementwiseOp::Erfinv) return T(below(1999) - 999) / 1000;
    if (op == ElementwiseOp::Acosh) return 1 + T(below(9000)) / 1000;
    if (op == ElementwiseOp::Logit) return T(1 + below(998)) / 1000;
    if (op == ElementwiseOp::Log || op == ElementwiseOp::Log2 || op == ElementwiseOp::Log10 ||
        op == ElementwiseOp::Rsqrt || op == ElementwiseOp::Sqrt || op == ElementwiseOp::Pow ||
        op == ElementwiseOp::Xlogy || op == ElementwiseOp::Lgamma || op == ElementwiseOp::Digamma)
      return T(1 + below(9000)) / 1000;
    if (op == ElementwiseOp::Log1p) return T(below(9000) - 999) / 1000;
    if (op >= ElementwiseOp::FloorDivide && op <= ElementwiseOp::Remainder) {
      // Quarters: a quotient is whole exactly, or far from whole.
      const T quarters = T(below(49) - 24) / 4;
      return input && quarters == 0 ? T(0.75) : quarters;
    }
    if (below(8) == 0) return T(below(7) - 3);  // ties
    return T(below(12001) - 6000) / 1001;
  } else {
    if (op == ElementwiseOp::ShiftLeft || op == ElementwiseOp::ShiftRight)
      return static_cast<T>(input ? below(31) : below(2000) - 1000);
    if (op == ElementwiseOp::Pow) return static_cast<T>(input ? below(6) : below(11) - 5);
    const T v = static_cast<T>(below(41) - 20);
    const bool divides = op >= ElementwiseOp::FloorDivide && op <= ElementwiseOp::Remainder;
    return divides && input && v == 0 ? T{3} : v;
  }
}

// A copy of the k-th operand that ends right before a page that may not be touched: a read too far is a crash.
template <class T>
const void* guarded(int k, const std::vector<T>& x) {
  static test::Guarded<char> pages[] = {test::Guarded<char>(4096), test::Guarded<char>(4096), test::Guarded<char>(4096),
                                        test::Guarded<char>(4096)};
  const size_t bytes = x.size() * sizeof(T);
  return bytes ? std::memcpy(pages[k].end() - bytes, x.data(), bytes) : pages[k].end();
}

template <class T>
void check_op(const std::string& tier, ElementwiseOp op, DType compute, int64_t n, unsigned steps) {
  const kernel::ElementwiseInfo& info = kElementwise[static_cast<int>(op)];
  const kernel::Row row = kernels(tier).elementwise_row(op, compute);
  ASSERT_NE(row, nullptr) << tier << ' ' << info.name << ' ' << name(compute);
  const bool byte_input = info.flags & kernel::kBoolFirstInput, byte_result = info.flags & kernel::kBoolResult;
  double params[] = {0.25, 2, 1};
  if (op == ElementwiseOp::Softplus || op == ElementwiseOp::SoftplusBackward) params[0] = 1.5;
  std::vector<T> x[4];
  std::vector<uint8_t> condition;
  const void* in[4];
  int step[4];
  for (int k = 0; k < info.inputs; ++k) {
    step[k] = steps >> k & 1;
    for (int64_t i = 0; i < (step[k] ? n : 1); ++i) x[k].push_back(value<T>(op, k));
    in[k] = guarded(k, x[k]);
  }
  if (byte_input) {
    for (T& v : x[0]) condition.push_back(static_cast<uint8_t>((v = static_cast<T>(below(2))) != 0));
    in[0] = guarded(0, condition);
  }
  // Guards behind the last element show a write too far.
  constexpr int guards = 80;
  const size_t item = byte_result ? 1 : sizeof(T);
  std::vector<uint8_t> y((static_cast<size_t>(n) + guards) * item, 0xa5);
  row(n, y.data(), in, step, params);
  for (size_t i = static_cast<size_t>(n) * item; i < y.size(); ++i)
    ASSERT_EQ(y[i], 0xa5) << info.name << " wrote past " << n;

  for (int64_t i = 0; i < n; ++i) {
    std::conditional_t<kReal<T>, long double, int64_t> v[4] = {};
    for (int k = 0; k < info.inputs; ++k) v[k] = x[k][static_cast<size_t>(step[k] ? i : 0)];
    const auto want = kernel::ref::elementwise(op, v, params);
    if (byte_result) {
      ASSERT_EQ(y[static_cast<size_t>(i)], want != 0) << tier << ' ' << info.name << ' ' << v[0] << ' ' << v[1];
      continue;
    }
    T got;
    std::memcpy(&got, y.data() + static_cast<size_t>(i) * item, item);
    if constexpr (kReal<T>) {
      // At most eight roundings of intermediate results that are no larger than the inputs and the result.
      long double size = std::fabs(want) + 1;
      for (int k = 0; k < info.inputs; ++k) size = std::max(size, std::fabs(v[k]));
      // ... or than products of two of them, where the op multiplies inputs.
      if (op == ElementwiseOp::AddCMul || op == ElementwiseOp::AddCDiv || op == ElementwiseOp::AddScaled ||
          op >= ElementwiseOp::ReluBackward)
        size *= size;
      const long double bound = 8 * std::numeric_limits<T>::epsilon() * size;
      if (std::isnan(want) || std::isinf(want)) {
        ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want)
            << tier << ' ' << info.name << ' ' << v[0] << ' ' << v[1];
      } else {
        ASSERT_LE(std::fabs(got - want), bound) << tier << ' ' << info.name << ' ' << name(compute) << '(' << v[0]
                                                << ", " << v[1] << ") = " << got << ", expected " << want;
      }
    } else {
      ASSERT_EQ(got, static_cast<T>(want)) << tier << ' ' << info.name << ' ' << v[0] << ' ' << v[1] << ' ' << v[2];
    }
  }
}

TEST(Elementwise, EveryOpInEveryTypeOnEveryTier) {
  for (const std::string& tier : available_tiers())
    for (int o = 0; o < kernel::kElementwiseOps; ++o) {
      const auto op = static_cast<ElementwiseOp>(o);
      const kernel::ElementwiseInfo& info = kElementwise[o];
      for (int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100})
        for (unsigned steps = 0; steps < 1u << info.inputs; ++steps) {
          if (info.types & kernel::kFloat) check_op<float>(tier, op, DType::Float32, n, steps);
          if (info.types & kernel::kDouble) check_op<double>(tier, op, DType::Float64, n, steps);
          if (info.types & kernel::kInt32) check_op<int32_t>(tier, op, DType::Int32, n, steps);
          if (info.types & kernel::kInt64) check_op<int64_t>(tier, op, DType::Int64, n, steps);
          if (HasFatalFailure()) return;
        }
      for (DType t : {DType::Float32, DType::Float64, DType::Int32, DType::Int64})
        EXPECT_EQ(kernels(tier).elementwise_row(op, t) != nullptr, (info.types & kernel::compute_bit(t)) != 0)
            << info.name;
    }
}

TEST(Elementwise, WholeDivisionNeverTraps) {
  for (const std::string& tier : available_tiers())
    for (ElementwiseOp op :
         {ElementwiseOp::FloorDivide, ElementwiseOp::TruncDivide, ElementwiseOp::Fmod, ElementwiseOp::Remainder}) {
      const int32_t a[] = {INT32_MIN, 5, 0}, b[] = {-1, 0, 0};
      int32_t y[3];
      const void* in[] = {a, b};
      const int step[] = {1, 1};
      kernels(tier).elementwise_row(op, DType::Int32)(3, y, in, step, nullptr);
      const bool divides = op <= ElementwiseOp::TruncDivide;
      EXPECT_EQ(y[0], divides ? INT32_MIN : 0);
    }
}

// ---- loops

const DType kTypes[] = {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16, DType::Int8,
                        DType::Int16,   DType::Int32,   DType::Int64,    DType::UInt8,   DType::Bool};

// Small whole numbers in a tensor that broadcasts to `sizes`: permuted, every second element, expanded, as it comes.
Tensor random_tensor(IntSpan sizes, DType t) {
  Dims shape;
  for (int64_t d = below(6) ? 0 : below(static_cast<int>(sizes.size()) + 1); d < sizes.size(); ++d)
    shape.push_back(below(6) ? sizes[d] : 1);
  const int64_t n = shape.size();
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  if (below(2)) std::shuffle(order.begin(), order.end(), engine);
  Dims memory(n, 1), step(n, 1), strides(n, 0);
  for (int64_t i = 0; i < n; ++i) {
    step[i] = below(4) ? 1 : 2;
    memory[i] = shape[order[static_cast<size_t>(i)]] * step[i];
  }
  Tensor base = new_tensor(memory, t);
  for (int64_t i = 0; i < base.numel(); ++i)
    copy_data(alias(base, {}, {}, i), number(static_cast<double>(t == DType::Bool ? below(2) : below(11))));
  for (int64_t i = 0; i < n; ++i) strides[order[static_cast<size_t>(i)]] = base.strides()[i] * step[i];
  return alias(base, shape, strides, 0);
}

double element(const Tensor& x, const Dims& at) {
  const int64_t lead = at.size() - x.dim();
  int64_t offset = x.storage_offset();
  for (int64_t d = 0; d < x.dim(); ++d) offset += x.sizes()[d] == 1 ? 0 : at[lead + d] * x.strides()[d];
  return alias(x, {}, {}, offset).item().to_double();
}

template <class F>
void for_each_index(IntSpan sizes, const F& f) {
  int64_t count = 1;
  for (int64_t s : sizes) count *= s;
  Dims at(sizes.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    f(at);
    for (int64_t d = sizes.size() - 1; d >= 0; --d) {
      if (++at[d] < sizes[d]) break;
      at[d] = 0;
    }
  }
}

double wrapped(double v, DType t) {
  switch (t) {
    case DType::Bool:
      return v != 0;
    case DType::UInt8:
      return static_cast<uint8_t>(static_cast<int>(v));
    case DType::Int8:
      return static_cast<int8_t>(static_cast<int>(v));
    default:
      return v;
  }
}

TEST(Elementwise, AnyLayoutAnyTypes) {
  for (int round = 0; round < 1500; ++round) {
    Dims sizes(below(5), 1);
    for (int64_t& s : sizes) s = below(8) ? 1 + below(6) : 1 + below(70);
    const Tensor a = random_tensor(sizes, kTypes[below(10)]);
    const Tensor b = random_tensor(sizes, below(2) ? a.dtype() : kTypes[below(10)]);
    const bool product = below(2);
    const Tensor y = product ? mul(a, b) : add(a, b);
    const Tensor c = to_dtype(a, b.dtype()), d = clone_like(a, contiguous_strides(a.sizes()));
    EXPECT_TRUE(is_dense(*y.impl()));
    for_each_index(y.sizes(), [&](const Dims& at) {
      const double p = element(a, at), q = element(b, at);
      ASSERT_EQ(element(y, at), wrapped(product ? p * q : p + q, y.dtype()))
          << name(a.dtype()) << ' ' << name(b.dtype());
    });
    for_each_index(a.sizes(), [&](const Dims& at) {
      ASSERT_EQ(element(c, at), wrapped(element(a, at), b.dtype())) << name(a.dtype()) << " to " << name(b.dtype());
      ASSERT_EQ(element(d, at), element(a, at));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(Elementwise, ReadsBeforeItOverwrites) {
  for (int64_t shift : {-3, -1, 1, 2, 40}) {
    const int64_t n = 5000, low = std::max<int64_t>(0, -shift), high = std::max<int64_t>(0, shift);
    Tensor x = new_tensor({n + std::abs(shift)}, DType::Float32);
    for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i);
    const Tensor to = alias(x, {n}, {1}, low ? 0 : high), from = alias(x, {n}, {1}, low);
    copy_data(to, from);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(to.data<float>()[i], static_cast<float>(i + low)) << shift;
  }
  // x += x^T, element by element of one square
  Tensor x = new_tensor({70, 70}, DType::Float64);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] = static_cast<double>(i);
  add_into(x, alias(x, {70, 70}, {1, 70}, 0));
  for (int64_t i = 0; i < 70; ++i)
    for (int64_t j = 0; j < 70; ++j) ASSERT_EQ(x.data<double>()[i * 70 + j], static_cast<double>(71 * (i + j)));
}

TEST(Elementwise, SameBitsForAnyNumberOfThreads) {
  Tensor x = new_tensor({301, 407}, DType::Float32);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(below(2000) - 1000) / 300;
  const Tensor t = alias(x, {407, 301}, {1, 407}, 0);
  const int before = get_num_threads();
  std::vector<std::vector<char>> results;
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    std::vector<char> bits;
    for (const Tensor& y :
         {exp(x), tanh(t), add(t, alias(x, {407, 1}, {1, 1}, 0)), contiguous(t), to_dtype(t, DType::BFloat16)}) {
      const char* p = static_cast<const char*>(y.raw_data());
      bits.insert(bits.end(), p, p + y.numel() * item_size(y.dtype()));
    }
    results.push_back(bits);
  }
  set_num_threads(before);
  for (const auto& r : results) EXPECT_EQ(r, results.front());
}

}  // namespace
}  // namespace dlcore
