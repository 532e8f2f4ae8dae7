// The optimizer kernels against their formulas in long double. A step is a handful of roundings: |error| <= 16 eps
// times the magnitudes that are added.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "core/half.h"
#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::OptimPass;
using dlcore::kernel::OptimPiece;
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

// Five arrays a tensor: parameters, gradients and up to three of state (never negative, as squares are; the first one
// at least `low`).
template <class F>
struct Arrays {
  using T = typename F::type;
  std::vector<std::unique_ptr<Guarded<T>>> x;
  std::vector<std::vector<double>> before;

  Arrays(int64_t n, std::mt19937& rng, double low) {
    std::uniform_real_distribution<double> u(-1, 1);
    for (int j = 0; j < 5; ++j) {
      x.push_back(std::make_unique<Guarded<T>>(n));
      before.emplace_back();
      for (int64_t i = 0; i < n; ++i) {
        const double value = u(rng);
        (*x[j])[i] = F::make(j < 2 ? value : std::abs(value) + (j == 2 ? low : 0));
        before[j].push_back(F::get((*x[j])[i]));
      }
    }
  }
  T* data(int j) { return x[j]->data(); }
  double now(int j, int64_t i) const { return F::get((*x[j])[i]); }
};

const std::vector<int64_t> kSizes = {1, 0, 7, 8, 9, 15, 16, 17, 31, 33, 64, 255, 257, 1000};

// What a formula gives: the new parameter, and how much of an error in the gradient it may hold.
struct Result {
  long double p, gain;
};

// One step of `kernel` for tensors of many sizes, cut into pieces of at most 100 elements, three pieces a chunk,
// against formula(p, g, s): p and g as the pass gives them, s the state, which it changes.
template <class F, class Options, class Formula>
void check(const KernelTable& table, void (*kernel)(const OptimPass&, const Options&), OptimPass pass,
           const Options& options, int states, std::array<double, 3> factors, const Formula& formula, double low = 0) {
  std::mt19937 rng(3);
  std::vector<Arrays<F>> tensors;
  std::vector<OptimPiece> pieces;
  std::vector<int64_t> chunks;
  for (int64_t n : kSizes) {
    tensors.emplace_back(n, rng, low);
    const Arrays<F>& a = tensors.back();
    for (int64_t begin = 0; begin < n; begin += 100) {
      OptimPiece piece{a.x[0]->data() + begin, a.x[1]->data() + begin, {}, std::min<int64_t>(100, n - begin), {}};
      for (int j = 0; j < 3; ++j) {
        piece.state[j] = states & (1 << j) ? a.x[2 + j]->data() + begin : nullptr;
        piece.factors[j] = factors[j];
      }
      pieces.push_back(piece);
    }
  }
  for (size_t i = 0; i < pieces.size(); i += 3) chunks.push_back(static_cast<int64_t>(i));
  chunks.push_back(static_cast<int64_t>(pieces.size()));
  pass.dtype = F::dtype;
  pass.pieces = pieces.data();
  pass.chunks = chunks.data();
  pass.num_chunks = static_cast<int64_t>(chunks.size()) - 1;
  kernel(pass, options);
  for (const Arrays<F>& a : tensors)
    for (size_t k = 0; k < a.before[0].size(); ++k) {
      const auto i = static_cast<int64_t>(k);
      const long double p = pass.keep * a.before[0][k];
      const long double g = (pass.maximize ? -1 : 1) * a.before[1][k] + pass.weight_decay * p;
      long double s[] = {a.before[2][k], a.before[3][k], a.before[4][k]};
      const Result y = formula(p, g, s);
      for (int j = 0; j < 3; ++j)
        EXPECT_NEAR(a.now(2 + j, i), static_cast<double>(s[j]), 16 * F::eps * (1 + low)) << table.tier;
      EXPECT_NEAR(a.now(0, i), static_cast<double>(y.p),
                  16 * F::eps * static_cast<double>(1 + 2 * std::abs(y.p - p) + 2 * y.gain))
          << table.tier;
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

// Plain, with weight decay in the gradient, and with weight decay apart from it.
std::vector<OptimPass> passes() {
  OptimPass plain{}, added{}, apart{};
  added.weight_decay = 0.1;
  added.maximize = true;
  apart.keep = 1 - 0.01 * 0.1;
  return {plain, added, apart};
}

void moments(long double beta1, long double beta2, long double g, long double* s) {
  s[0] = beta1 * s[0] + (1 - beta1) * g;
  s[1] = beta2 * s[1] + (1 - beta2) * g * g;
}

TEST(Optim, Sgd) {
  for (const OptimPass& pass : passes())
    for (double momentum : {0.0, 0.9})
      for (bool nesterov : {false, true})
        for (bool first : {false, true}) {
          const dlcore::kernel::Sgd o{0.1, momentum, nesterov ? 0 : 0.3, nesterov, first};
          every_type([&]<class F>(const KernelTable& table) {
            check<F>(table, table.sgd_step, pass, o, momentum != 0, {},
                     [&](long double p, long double g, long double* s) {
                       if (momentum == 0) return Result{p - o.lr * g, 1};
                       s[0] = first ? g : momentum * s[0] + (1 - o.dampening) * g;
                       return Result{p - o.lr * (nesterov ? g + momentum * s[0] : s[0]), 1};
                     });
          });
        }
}

TEST(Optim, Adam) {
  const dlcore::kernel::Adam o{0.9, 0.999, 1e-8};
  for (const OptimPass& pass : passes())
    for (bool amsgrad : {false, true})
      for (int64_t t : {1, 7, 100000}) {
        const double bias1 = 1 - std::pow(o.beta1, t), bias2 = 1 - std::pow(o.beta2, t);
        every_type([&]<class F>(const KernelTable& table) {
          check<F>(table, table.adam_step, pass, o, amsgrad ? 7 : 3, {0.01 / bias1, 1 / std::sqrt(bias2)},
                   [&](long double p, long double g, long double* s) {
                     moments(o.beta1, o.beta2, g, s);
                     if (amsgrad) s[2] = std::max(s[1], s[2]);
                     const long double gain = 0.01 / bias1 / (std::sqrt(s[amsgrad ? 2 : 1] / bias2) + o.eps);
                     return Result{p - gain * s[0], gain};
                   });
        });
      }
}

TEST(Optim, NAdam) {
  const dlcore::kernel::NAdam o{0.9, 0.999, 1e-8};
  for (const OptimPass& pass : passes())
    every_type([&]<class F>(const KernelTable& table) {
      check<F>(table, table.nadam_step, pass, o, 3, {0.02, 0.03, 4.0},
               [&](long double p, long double g, long double* s) {
                 moments(o.beta1, o.beta2, g, s);
                 const long double size = 4 * std::sqrt(s[1]) + o.eps;
                 return Result{p - (0.02L * g + 0.03L * s[0]) / size, 0.05L / size};
               });
    });
}

TEST(Optim, RAdam) {
  const dlcore::kernel::RAdam o{0.9, 0.999, 1e-8};
  for (const OptimPass& pass : passes())
    for (double scale : {0.0, 0.3})
      every_type([&]<class F>(const KernelTable& table) {
        check<F>(table, table.radam_step, pass, o, 3, {0.02, scale}, [&](long double p, long double g, long double* s) {
          moments(o.beta1, o.beta2, g, s);
          const long double gain = scale == 0 ? 0.02L : 0.02L * scale / (std::sqrt(s[1]) + o.eps);
          return Result{p - gain * s[0], gain};
        });
      });
}

TEST(Optim, Adamax) {
  const dlcore::kernel::Adamax o{0.9, 0.99, 1e-3};
  for (const OptimPass& pass : passes())
    every_type([&]<class F>(const KernelTable& table) {
      check<F>(table, table.adamax_step, pass, o, 3, {0.02}, [&](long double p, long double g, long double* s) {
        s[0] = o.beta1 * s[0] + (1 - o.beta1) * g;
        s[1] = std::max<long double>(o.beta2 * s[1], std::abs(g) + o.eps);
        return Result{p - 0.02L * s[0] / s[1], 0.02L / s[1]};
      });
    });
}

TEST(Optim, Adagrad) {
  const dlcore::kernel::Adagrad o{1e-10};
  for (const OptimPass& pass : passes())
    every_type([&]<class F>(const KernelTable& table) {
      check<F>(table, table.adagrad_step, pass, o, 1, {0.02}, [&](long double p, long double g, long double* s) {
        s[0] += g * g;
        const long double gain = 0.02L / (std::sqrt(s[0]) + o.eps);
        return Result{p - gain * g, gain};
      });
    });
}

TEST(Optim, RmsProp) {
  for (const OptimPass& pass : passes())
    for (bool centered : {false, true})
      for (double momentum : {0.0, 0.9}) {
        const dlcore::kernel::RmsProp o{0.02, 0.9, 1e-8, momentum};
        every_type([&]<class F>(const KernelTable& table) {
          check<F>(
              table, table.rmsprop_step, pass, o, 1 + 2 * (momentum != 0) + 4 * centered, {},
              [&](long double p, long double g, long double* s) {
                s[0] = o.alpha * s[0] + (1 - o.alpha) * g * g;
                if (centered) s[2] = o.alpha * s[2] + (1 - o.alpha) * g;
                const long double size = std::sqrt(s[0] - (centered ? s[2] * s[2] : 0)) + o.eps;
                const long double d = momentum == 0 ? g / size : momentum * s[1] + g / size;
                if (momentum != 0) s[1] = d;
                return Result{p - o.lr * d, o.lr / size};
              },
              2);
        });
      }
}

TEST(Optim, Adadelta) {
  const dlcore::kernel::Adadelta o{0.5, 0.9, 1e-6};
  for (const OptimPass& pass : passes())
    every_type([&]<class F>(const KernelTable& table) {
      check<F>(table, table.adadelta_step, pass, o, 3, {}, [&](long double p, long double g, long double* s) {
        s[0] = o.rho * s[0] + (1 - o.rho) * g * g;
        const long double gain = std::sqrt(s[1] + o.eps) / std::sqrt(s[0] + o.eps), d = gain * g;
        s[1] = o.rho * s[1] + (1 - o.rho) * d * d;
        return Result{p - o.lr * d, o.lr * gain};
      });
    });
}

TEST(Optim, Lion) {
  const dlcore::kernel::Lion o{0.25, 0.9, 0.99};
  for (const OptimPass& pass : passes())
    every_type([&]<class F>(const KernelTable& table) {
      check<F>(table, table.lion_step, pass, o, 1, {}, [&](long double p, long double g, long double* s) {
        const long double d = o.beta1 * s[0] + (1 - o.beta1) * g;
        s[0] = o.beta2 * s[0] + (1 - o.beta2) * g;
        return Result{p - o.lr * static_cast<long double>((d > 0) - (d < 0)), 0};
      });
    });
}

TEST(Optim, ScaleAndClamp) {
  every_type([&]<class F>(const KernelTable& table) {
    check<F>(table, table.scale_all, {}, dlcore::kernel::Scale{-0.75}, 0, {},
             [](long double p, long double, long double*) { return Result{-0.75L * p, 0}; });
    check<F>(table, table.clamp_all, {}, dlcore::kernel::Clamp{-0.25, 0.5}, 0, {},
             [](long double p, long double, long double*) { return Result{std::min(std::max(p, -0.25L), 0.5L), 0}; });
  });
}

// Sums of n elements in runs and lanes: no result is off by more than the length of one lane's run.
TEST(Optim, Norms) {
  for (const std::string& tier : dlcore::available_tiers())
    for (int64_t n : kSizes) {
      std::mt19937 rng(4);
      const Arrays<Float<float>> a(n, rng, 0);
      const OptimPiece pieces[] = {{nullptr, a.x[1]->data(), {}, n, {}}};
      const int64_t chunks[] = {0, 1};
      long double expected[3] = {0, 0, 0};
      for (const double x : a.before[1]) {
        expected[0] += std::abs(x);
        expected[1] += x * x;
        expected[2] = std::max<long double>(expected[2], std::abs(x));
      }
      for (int norm = 0; norm < 3; ++norm) {
        double got = -1;
        dlcore::kernels(tier).norm_of_chunks({DType::Float32, pieces, chunks, 1},
                                             static_cast<dlcore::kernel::Norm>(norm), &got);
        EXPECT_NEAR(got, static_cast<double>(expected[norm]), 70 * 0x1p-24 * static_cast<double>(expected[norm]));
      }
      if (n == 0) continue;
      (*a.x[1])[n - 1] = NAN;
      double got = 0;
      dlcore::kernels(tier).norm_of_chunks({DType::Float32, pieces, chunks, 1}, dlcore::kernel::Norm::Max, &got);
      EXPECT_TRUE(std::isnan(got)) << tier << " " << n;
    }
}

// With no weight decay an infinite parameter stays infinite: 0 * inf must not enter.
TEST(Optim, InfiniteParameterStaysInfinite) {
  for (const std::string& tier : dlcore::available_tiers()) {
    float p = INFINITY, g = 1, m = 0, v = 0;
    const OptimPiece piece{&p, &g, {&m, &v}, 1, {1e-2, 1}};
    const int64_t chunks[] = {0, 1};
    dlcore::kernels(tier).adam_step({DType::Float32, &piece, chunks, 1}, {0.9, 0.999, 1e-8});
    EXPECT_TRUE(std::isinf(p)) << tier;
    EXPECT_FALSE(std::isnan(v)) << tier;
  }
}

}  // namespace
