// The optimizer kernels against their formulas in long double. A step is a handful of roundings: |error| <= 16 eps
// times the magnitudes that are added.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/half.h"
#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::Adam;
using dlcore::kernel::AdamPiece;
using dlcore::kernel::Sgd;
using dlcore::kernel::SgdPiece;
using dlcore::test::Guarded;

// Elements of T, or of a 16-bit type by its conversions.
template <class T>
struct Float {
  using type = T;
  static constexpr DType dtype = sizeof(T) == 8 ? DType::Float64 : DType::Float32;
  static constexpr double eps = std::numeric_limits<T>::epsilon();
  static double get(T x) { return x; }
  static T make(double x) { return static_cast<T>(x); }
};
struct Bf16 {
  using type = uint16_t;
  static constexpr DType dtype = DType::BFloat16;
  static constexpr double eps = 0x1p-7;
  static double get(uint16_t x) { return dlcore::bf16_to_float(x); }
  static uint16_t make(double x) { return dlcore::float_to_bf16(static_cast<float>(x)); }
};
struct Fp16 {
  using type = uint16_t;
  static constexpr DType dtype = DType::Float16;
  static constexpr double eps = 0x1p-10;
  static double get(uint16_t x) { return dlcore::fp16_to_float(x); }
  static uint16_t make(double x) { return dlcore::float_to_fp16(static_cast<float>(x)); }
};

// Five arrays a tensor: parameters, gradients and up to three of state (never negative, as squares are).
template <class F>
struct Arrays {
  using T = typename F::type;
  std::vector<std::unique_ptr<Guarded<T>>> x;
  std::vector<std::vector<double>> before;

  explicit Arrays(int64_t n, std::mt19937& rng) {
    std::uniform_real_distribution<double> u(-1, 1);
    for (int j = 0; j < 5; ++j) {
      x.push_back(std::make_unique<Guarded<T>>(n));
      before.emplace_back();
      for (int64_t i = 0; i < n; ++i) {
        const double value = u(rng);
        (*x[j])[i] = F::make(j < 2 ? value : std::abs(value));
        before[j].push_back(F::get((*x[j])[i]));
      }
    }
  }
  T* data(int j) { return x[j]->data(); }
  double now(int j, int64_t i) const { return F::get((*x[j])[i]); }
};

const std::vector<int64_t> kSizes = {1, 0, 7, 8, 9, 15, 16, 17, 31, 33, 64, 255, 257, 1000};

// All tensors as pieces of at most 100 elements, three pieces a chunk.
template <class Piece, class F, class Make>
void cut(std::vector<Arrays<F>>& tensors, std::vector<Piece>& pieces, std::vector<int64_t>& chunks, const Make& make) {
  for (size_t t = 0; t < tensors.size(); ++t)
    for (int64_t begin = 0; begin < kSizes[t]; begin += 100) {
      pieces.push_back(make(tensors[t], begin));
      pieces.back().n = std::min<int64_t>(100, kSizes[t] - begin);
    }
  for (size_t i = 0; i < pieces.size(); i += 3) chunks.push_back(static_cast<int64_t>(i));
  chunks.push_back(static_cast<int64_t>(pieces.size()));
}

template <class F>
std::vector<Arrays<F>> make_tensors() {
  std::mt19937 rng(3);
  std::vector<Arrays<F>> tensors;
  for (int64_t n : kSizes) tensors.emplace_back(n, rng);
  return tensors;
}

#define EXPECT_CLOSE(got, expected, magnitude) \
  EXPECT_NEAR(got, static_cast<double>(expected), 16 * F::eps * static_cast<double>(magnitude)) << table.tier

template <class F>
void check_sgd(const KernelTable& table, Sgd s) {
  auto tensors = make_tensors<F>();
  std::vector<SgdPiece> pieces;
  std::vector<int64_t> chunks;
  cut(tensors, pieces, chunks, [&](Arrays<F>& a, int64_t i) {
    return SgdPiece{a.data(0) + i, a.data(1) + i, s.momentum != 0 ? a.data(2) + i : nullptr, 0};
  });
  s.dtype = F::dtype;
  s.pieces = pieces.data();
  s.chunks = chunks.data();
  s.num_chunks = static_cast<int64_t>(chunks.size()) - 1;
  table.sgd_step(s);
  for (const Arrays<F>& a : tensors)
    for (size_t i = 0; i < a.before[0].size(); ++i) {
      const long double p = a.before[0][i];
      const long double g = (s.maximize ? -1 : 1) * a.before[1][i] + s.weight_decay * p;
      const long double b = s.momentum == 0 || s.first_step ? g : s.momentum * a.before[2][i] + (1 - s.dampening) * g;
      const long double step = s.nesterov ? g + s.momentum * b : b;
      if (s.momentum != 0) {
        EXPECT_CLOSE(a.now(2, static_cast<int64_t>(i)), b, 4);
      }
      EXPECT_CLOSE(a.now(0, static_cast<int64_t>(i)), p - s.lr * step, 4);
    }
}

template <class F>
void check_adam(const KernelTable& table, Adam s, int64_t t) {
  auto tensors = make_tensors<F>();
  std::vector<AdamPiece> pieces;
  std::vector<int64_t> chunks;
  const double bias1 = 1 - std::pow(s.beta1, t), bias2 = 1 - std::pow(s.beta2, t);
  cut(tensors, pieces, chunks, [&](Arrays<F>& a, int64_t i) {
    return AdamPiece{
        a.data(0) + i, a.data(1) + i,       a.data(2) + i, a.data(3) + i, s.amsgrad ? a.data(4) + i : nullptr, 0,
        s.lr / bias1,  1 / std::sqrt(bias2)};
  });
  s.dtype = F::dtype;
  s.pieces = pieces.data();
  s.chunks = chunks.data();
  s.num_chunks = static_cast<int64_t>(chunks.size()) - 1;
  table.adam_step(s);
  for (const Arrays<F>& a : tensors)
    for (size_t j = 0; j < a.before[0].size(); ++j) {
      const auto i = static_cast<int64_t>(j);
      long double p = a.before[0][j], g = (s.maximize ? -1 : 1) * a.before[1][j];
      if (s.decoupled)
        p -= s.lr * s.weight_decay * p;
      else
        g += s.weight_decay * p;
      const long double m = s.beta1 * a.before[2][j] + (1 - s.beta1) * g;
      const long double v = s.beta2 * a.before[3][j] + (1 - s.beta2) * g * g;
      const long double largest = s.amsgrad ? std::max<long double>(v, a.before[4][j]) : v;
      const long double change = s.lr / bias1 * m / (std::sqrt(largest / bias2) + s.eps);
      EXPECT_CLOSE(a.now(2, i), m, 2);
      EXPECT_CLOSE(a.now(3, i), v, 2);
      if (s.amsgrad) {
        EXPECT_CLOSE(a.now(4, i), largest, 2);
      }
      EXPECT_CLOSE(a.now(0, i), p - change, 1 + std::abs(change) * (1 + 2 / std::abs(m)));
    }
}

template <class Check>
void every_type(const Check& check) {
  for (const std::string& tier : dlcore::available_tiers()) {
    const KernelTable& table = dlcore::kernels(tier);
    check.template operator()<Float<float>>(table);
    check.template operator()<Float<double>>(table);
    check.template operator()<Bf16>(table);
    check.template operator()<Fp16>(table);
  }
}

TEST(Optim, Sgd) {
  for (double momentum : {0.0, 0.9})
    for (bool nesterov : {false, true})
      for (bool first : {false, true})
        for (double decay : {0.0, 0.01}) {
          Sgd s{};
          s.lr = 0.1, s.momentum = momentum, s.weight_decay = decay;
          s.dampening = nesterov ? 0 : 0.3;
          s.nesterov = nesterov && momentum != 0, s.first_step = first, s.maximize = decay != 0;
          every_type([&]<class F>(const KernelTable& table) { check_sgd<F>(table, s); });
        }
}

TEST(Optim, Adam) {
  for (bool decoupled : {false, true})
    for (bool amsgrad : {false, true})
      for (double decay : {0.0, 0.1})
        for (int64_t t : {1, 7, 100000}) {
          Adam s{};
          s.lr = 1e-2, s.beta1 = 0.9, s.beta2 = 0.999, s.eps = 1e-8, s.weight_decay = decay;
          s.decoupled = decoupled, s.amsgrad = amsgrad, s.maximize = t == 7;
          every_type([&]<class F>(const KernelTable& table) { check_adam<F>(table, s, t); });
        }
}

// With no weight decay an infinite parameter stays infinite: 0 * inf must not enter.
TEST(Optim, InfiniteParameterStaysInfinite) {
  for (const std::string& tier : dlcore::available_tiers()) {
    float p = INFINITY, g = 1, m = 0, v = 0;
    const AdamPiece piece{&p, &g, &m, &v, nullptr, 1, 1e-2, 1};
    const int64_t chunks[] = {0, 1};
    dlcore::kernels(tier).adam_step(
        {DType::Float32, &piece, chunks, 1, 1e-2, 0.9, 0.999, 1e-8, 0, false, false, false});
    EXPECT_TRUE(std::isinf(p)) << tier;
    EXPECT_FALSE(std::isnan(v)) << tier;
  }
}

}  // namespace
