#include "ops/random.h"

#include <cmath>
#include <limits>

namespace dlcore {

using kernel::Distribution;

Tensor drawn(const char* op, const Tensor& y, const Law& law, Generator* generator) {
  const TensorImpl& t = *y.impl();
  const int64_t block = kernel::random_block(law.distribution, t.dtype, law.range);
  const uint64_t counters = static_cast<uint64_t>((t.numel + block - 1) / block * kernel::kRandomCounters);
  const auto [seed, offset] = (generator ? *generator : default_generator()).reserve(counters);
  if (t.numel == 0) return y;
  const kernel::Random r{t.data(), t.numel, t.dtype, law.distribution, seed, offset, law.a, law.b, law.low, law.range};
  launch(op, {double(t.numel * item_size(t.dtype)), 32.0 * double(t.numel)}, [&] { kernels().random(r); });
  return y;
}

Tensor without_gradient(const char* op, Tensor y, const TensorList& inputs) {
  record(op, y, inputs, [n = inputs.size()](Gradients& g) {
    for (size_t i = 0; i < n; ++i) g.set(i, [&] { return zeros(g.node().inputs[i].sizes, g.node().inputs[i].dtype); });
  });
  return y;
}

namespace {

Tensor redraw(const char* op, const Tensor& x, const Law& law, Generator* generator) {
  return redraw(op, x, [&](const Tensor& y) { drawn(op, y, law, generator); });
}

double largest_finite(DType t) {
  switch (t) {
    case DType::Float64:
      return std::numeric_limits<double>::max();
    case DType::Float16:
      return 65504;
    case DType::BFloat16:
      return 0x1.fep127;
    default:
      return static_cast<double>(std::numeric_limits<float>::max());
  }
}

// Integers that the dtype holds exactly: [low, high], with every integer in between.
struct IntegerRange {
  int64_t low, high;
};
IntegerRange exact_integers(DType t) {
  const auto symmetric = [](int64_t n) { return IntegerRange{-n, n}; };
  switch (t) {
    case DType::Bool:
      return {0, 1};
    case DType::UInt8:
      return {0, 255};
    case DType::Int8:
      return {-128, 127};
    case DType::Int16:
      return {INT16_MIN, INT16_MAX};
    case DType::Int32:
      return {INT32_MIN, INT32_MAX};
    case DType::Int64:
      return {INT64_MIN, INT64_MAX};
    case DType::Float64:
      return symmetric(int64_t{1} << 53);
    case DType::Float32:
      return symmetric(1 << 24);
    case DType::Float16:
      return symmetric(1 << 11);
    case DType::BFloat16:
      return symmetric(1 << 8);
  }
  return {};
}

// [from, to), or [from, the dtype's largest].
Law integers(const char* op, DType t, int64_t from, std::optional<int64_t> to) {
  const auto [low, high] = exact_integers(t);
  DLCORE_CHECK(!to || from < *to, RuntimeError, op, ": from must be less than to; got from=", from,
               ", to=", to.value_or(0));
  // Floating point types also take larger bounds, where they hold only some of the integers.
  const double largest = is_floating(t) ? largest_finite(t) : 0;
  const auto fits = [&](int64_t v) {
    return is_floating(t) ? std::fabs(static_cast<double>(v)) <= largest : v >= low && v <= high;
  };
  DLCORE_CHECK(fits(from) && (!to || fits(*to - 1)), RuntimeError, op, ": the bounds must fit ", name(t),
               "; got from=", from, ", to=", to ? *to : high);
  const uint64_t last = static_cast<uint64_t>(to ? *to - 1 : std::max(high, from));
  return {Distribution::Integers, 0, 0, from, last - static_cast<uint64_t>(from) + 1};
}

}  // namespace

Tensor rand(IntSpan sizes, std::optional<DType> dtype, Generator* generator) {
  const DType t = dtype ? *dtype : default_dtype();
  check_floating("rand", t);
  return drawn("rand", new_tensor(sizes, t), {Distribution::Uniform, 0, 1}, generator);
}

Tensor randn(IntSpan sizes, std::optional<DType> dtype, Generator* generator) {
  const DType t = dtype ? *dtype : default_dtype();
  check_floating("randn", t);
  return drawn("randn", new_tensor(sizes, t), {Distribution::Normal, 0, 1}, generator);
}

Tensor randint(int64_t low, int64_t high, IntSpan sizes, std::optional<DType> dtype, Generator* generator) {
  const DType t = dtype.value_or(DType::Int64);
  const Law law = integers("randint", t, low, high);
  return drawn("randint", new_tensor(sizes, t), law, generator);
}

Tensor randperm(int64_t n, std::optional<DType> dtype, Generator* generator) {
  const DType t = dtype.value_or(DType::Int64);
  DLCORE_CHECK(n >= 0, RuntimeError, "randperm: n must not be negative, got ", n);
  DLCORE_CHECK(t != DType::Bool, NotImplementedError, "randperm: dtype must not be bool");
  DLCORE_CHECK(n - 1 <= exact_integers(t).high, RuntimeError, "randperm: n is too large for ", name(t), ": ", n);
  Tensor y = new_tensor({n}, DType::Int64);
  const auto [seed, offset] =
      (generator ? *generator : default_generator()).reserve(static_cast<uint64_t>(n / 2 + kernel::kRandomCounters));
  launch("randperm", {16.0 * double(n), 16.0 * double(n)},
         [&] { kernels().permutation({y.data<int64_t>(), n, seed, offset}); });
  return to_dtype(y, t);
}

// ---- normal

Tensor normal(double mean, double std, IntSpan sizes, std::optional<DType> dtype, Generator* generator) {
  check_std("normal", std);
  const DType t = dtype ? *dtype : default_dtype();
  check_floating("normal", t);
  return drawn("normal", new_tensor(sizes, t), {Distribution::Normal, mean, std}, generator);
}

// ---- bernoulli

Tensor bernoulli(const Tensor& x, double p, Generator* generator) {
  check_probability("bernoulli", p);
  return without_gradient(
      "bernoulli", drawn("bernoulli", new_tensor(x.sizes(), x.dtype()), {Distribution::Bernoulli, p}, generator), {x});
}
Tensor bernoulli_(const Tensor& x, double p, Generator* generator) {
  check_probability("bernoulli_", p);
  return redraw("bernoulli_", x, {Distribution::Bernoulli, p}, generator);
}
// ---- in place

Tensor uniform_(const Tensor& x, double from, double to, Generator* generator) {
  check_floating("uniform_", x.dtype());
  const double largest = largest_finite(x.dtype());
  DLCORE_CHECK(from <= to, RuntimeError, "uniform_: from must not be greater than to; got from=", from, ", to=", to);
  DLCORE_CHECK(std::fabs(from) <= largest && std::fabs(to) <= largest && to - from <= largest, RuntimeError,
               "uniform_: from, to and to - from must be finite numbers of ", name(x.dtype()), "; got from=", from,
               ", to=", to);
  return redraw("uniform_", x, {Distribution::Uniform, from, to}, generator);
}

Tensor normal_(const Tensor& x, double mean, double std, Generator* generator) {
  check_floating("normal_", x.dtype());
  check_std("normal_", std);
  return redraw("normal_", x, {Distribution::Normal, mean, std}, generator);
}

Tensor exponential_(const Tensor& x, double rate, Generator* generator) {
  check_floating("exponential_", x.dtype());
  DLCORE_CHECK(rate > 0, RuntimeError, "exponential_: lambd must be positive, got ", rate);
  return redraw("exponential_", x, {Distribution::Exponential, rate}, generator);
}

Tensor random_(const Tensor& x, int64_t from, std::optional<int64_t> to, Generator* generator) {
  return redraw("random_", x, integers("random_", x.dtype(), from, to), generator);
}

}  // namespace dlcore
