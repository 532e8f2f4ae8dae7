// Normalization against its formulas on every tier, in buffers that end at a guard page, with scratch full of NaN. x^
// has a few roundings and sums of n terms are joined in float64 every few thousand: errors are a few eps of the largest
// result, times the root of the number of terms.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/ref/norm.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::Activation;
using dlcore::kernel::ChannelNorm;
using dlcore::kernel::LocalNorm;
using dlcore::kernel::RowNorm;
using dlcore::test::Guarded;
using dlcore::test::Scratch;
namespace ref = dlcore::kernel::ref;

template <class T>
constexpr DType dtype_of = std::is_same_v<T, double> ? DType::Float64 : DType::Float32;

template <class T>
void fill(Guarded<T>& x, unsigned seed, double mean = 0) {
  std::mt19937 rng(seed);
  std::normal_distribution<double> normal;
  for (T& v : x) v = static_cast<T>(normal(rng) + mean);
}

template <class T>
void expect_near(const Guarded<T>& got, const Guarded<T>& want, int64_t terms, const std::string& what) {
  double largest = 1;
  for (int64_t i = 0; i < want.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(want[i])));
  const double bound = (32 + 4 * std::sqrt(static_cast<double>(terms))) * std::numeric_limits<T>::epsilon() * largest;
  for (int64_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << what << " at " << i;
}

// ---- images

template <class T>
struct Images {
  Guarded<T> x, residual, dy, weight, bias, y, dx, dresidual, dweight, dbias;
  Guarded<double> mean, var;
  ChannelNorm g;

  explicit Images(const ChannelNorm& shape, double offset = 0)
      : x(shape.numel()),
        residual(x.size()),
        dy(x.size()),
        weight(shape.channels),
        bias(shape.channels),
        y(x.size()),
        dx(x.size()),
        dresidual(x.size()),
        dweight(shape.channels),
        dbias(shape.channels),
        mean(shape.stats()),
        var(shape.stats()),
        g(shape) {
    g.dtype = dtype_of<T>;
    fill(x, 1, offset), fill(residual, 2), fill(dy, 3), fill(weight, 4), fill(bias, 5);
    if (g.activation == Activation::Relu6)  // results on both sides of 6
      for (Guarded<T>* part : {&weight, &residual})
        for (T& v : *part) v *= 8;
    for (double& v : mean) v = 0.25;
    for (double& v : var) v = 2;
  }
  // `forward(a)`, then `backward(b)` of its result.
  template <class Forward, class Backward>
  void run(bool affine, bool added, const Forward& forward, const Backward& backward) {
    const T *w = affine ? weight.data() : nullptr, *b = affine ? bias.data() : nullptr;
    forward(dlcore::kernel::ChannelNormForward{x.data(), w, b, added ? residual.data() : nullptr, y.data(), mean.data(),
                                               var.data()});
    const bool masked = added && g.activation != Activation::None;
    for (T& v : dresidual) v = 0;
    backward(dlcore::kernel::ChannelNormBackward{x.data(), dy.data(), w, b, masked ? y.data() : nullptr, mean.data(),
                                                 var.data(), dx.data(), masked ? dresidual.data() : nullptr,
                                                 dweight.data(), dbias.data()});
  }
};

constexpr const char* kActivations[] = {"", " relu", " relu6"};

std::string text(const ChannelNorm& g) {
  return std::to_string(g.images) + "x" + std::to_string(g.channels) + "x" + std::to_string(g.places) +
         (g.channels_last ? " channels-last" : "") + (g.per_image ? " per image" : "") + " groups of " +
         std::to_string(g.group) + kActivations[static_cast<int>(g.activation)] + (g.given ? " given" : "");
}

template <class T>
void check_images(const ChannelNorm& shape, bool affine, bool added) {
  Images<T> e(shape);
  e.run(
      affine, added, [&](const auto& a) { ref::channel_norm_forward(e.g, a); },
      [&](const auto& a) { ref::channel_norm_backward(e.g, a); });
  for (const std::string& tier : dlcore::available_tiers()) {
    const KernelTable& table = dlcore::kernels(tier);
    Images<T> b(shape);
    Scratch forward(table.channel_norm_workspace(b.g, false)), backward(table.channel_norm_workspace(b.g, true));
    b.run(
        affine, added,
        [&](const auto& a) {
          table.channel_norm_forward(b.g, a, forward.data());
          const int64_t n = b.g.count();
          expect_near(b.y, e.y, n, tier + " y " + text(b.g));
          // the reference's own sum of n terms in double, too
          const double eps = std::numeric_limits<T>::epsilon() * (8 + std::sqrt(static_cast<double>(n)));
          for (int64_t i = 0; i < b.var.size(); ++i) {
            ASSERT_NEAR(b.mean[i], e.mean[i], eps) << tier << " mean " << text(b.g);
            ASSERT_NEAR(b.var[i], e.var[i], eps * e.var[i]) << tier << " var " << text(b.g);
          }
          // a result that rounding moved across 0 has a gradient in one of them only
          std::copy(e.y.begin(), e.y.end(), b.y.begin());
        },
        [&](const auto& a) { table.channel_norm_backward(b.g, a, backward.data()); });
    const int64_t n = b.g.count() + b.g.images * b.g.places;
    expect_near(b.dx, e.dx, n, tier + " dx " + text(b.g));
    expect_near(b.dresidual, e.dresidual, 0, tier + " dresidual " + text(b.g));
    expect_near(b.dweight, e.dweight, n, tier + " dweight " + text(b.g));
    expect_near(b.dbias, e.dbias, n, tier + " dbias " + text(b.g));
  }
}

template <class F>
void each_shape(const F& check) {
  for (const bool channels_last : {false, true})
    for (const int64_t channels : {1, 3, 16, 17, 70})
      for (const int64_t places : {1, 7, 16, 33, 500}) {
        ChannelNorm g{};
        g.channels_last = channels_last, g.images = 3, g.channels = channels, g.places = places, g.eps = 1e-3;
        check(g);
        for (const Activation act : {Activation::Relu, Activation::Relu6}) {
          g.activation = act;
          check(g);
        }
        g.activation = Activation::None, g.given = true;
        check(g);
        g.given = false, g.per_image = true;
        if (places > 1) check(g);
        g.group = channels % 2 == 0 ? channels / 2 : channels;
        if (g.group > 1) check(g);
      }
}

TEST(Norm, Images) {
  each_shape([](const ChannelNorm& g) {
    check_images<float>(g, true, false);
    check_images<double>(g, false, true);
    check_images<float>(g, true, true);
  });
}

// Several chunks, and segments whole in the cache.
TEST(Norm, LargeImages) {
  for (const bool channels_last : {false, true})
    for (const bool per_image : {false, true})
      for (const auto& [images, channels, places] :
           {std::tuple<int64_t, int64_t, int64_t>{2, 70, 1100}, {40, 33, 49}, {1, 2, 70000}, {20, 256, 20}}) {
        ChannelNorm g{};
        g.channels_last = channels_last, g.images = images, g.channels = channels, g.places = places, g.eps = 1e-5;
        g.per_image = per_image, g.activation = Activation::Relu;
        check_images<float>(g, true, true);
        if (per_image && channels % 2 == 0) {
          g.group = channels / 2;
          check_images<float>(g, true, false);
        }
      }
}

TEST(Norm, SameBitsForAnyThreads) {
  const int threads = dlcore::get_num_threads();
  for (const bool channels_last : {false, true}) {
    ChannelNorm g{};
    g.channels_last = channels_last, g.images = 4, g.channels = 40, g.places = 2000, g.eps = 1e-5;
    for (const std::string& tier : dlcore::available_tiers()) {
      const KernelTable& table = dlcore::kernels(tier);
      std::vector<float> first;
      for (const int n : {1, 2, 3, 7}) {
        dlcore::set_num_threads(n);
        Images<float> b(g);
        Scratch forward(table.channel_norm_workspace(b.g, false)), backward(table.channel_norm_workspace(b.g, true));
        b.run(
            true, false, [&](const auto& a) { table.channel_norm_forward(b.g, a, forward.data()); },
            [&](const auto& a) { table.channel_norm_backward(b.g, a, backward.data()); });
        std::vector<float> all(b.y.begin(), b.y.end());
        for (Guarded<float>* part : {&b.dx, &b.dweight, &b.dbias}) all.insert(all.end(), part->begin(), part->end());
        if (n == 1) first = all;
        EXPECT_EQ(all, first) << n << " threads, " << tier << ", " << text(g);
      }
    }
  }
  dlcore::set_num_threads(threads);
}

// ---- rows

template <class T>
void check_rows(int64_t rows, int64_t n, bool centered, bool affine) {
  const RowNorm g{dtype_of<T>, rows, n, centered, 1e-3};
  Guarded<T> x(rows * n), dy(rows * n), weight(n), bias(n);
  fill(x, 1, 2), fill(dy, 2), fill(weight, 3), fill(bias, 4);
  struct Results {
    Guarded<T> y, dx, dweight, dbias;
    Guarded<double> mean, rstd;
    Results(int64_t rows, int64_t n) : y(rows * n), dx(rows * n), dweight(n), dbias(n), mean(rows), rstd(rows) {}
  };
  const T *w = affine ? weight.data() : nullptr, *b = affine ? bias.data() : nullptr;
  const auto forward = [&](Results& r) {
    return dlcore::kernel::RowNormForward{x.data(), w, b, r.y.data(), r.mean.data(), r.rstd.data()};
  };
  const auto backward = [&](Results& r) {
    return dlcore::kernel::RowNormBackward{
        x.data(), dy.data(), w, r.mean.data(), r.rstd.data(), r.dx.data(), r.dweight.data(), r.dbias.data()};
  };
  Results e(rows, n);
  ref::row_norm_forward(g, forward(e));
  ref::row_norm_backward(g, backward(e));
  for (const std::string& tier : dlcore::available_tiers()) {
    const KernelTable& table = dlcore::kernels(tier);
    const std::string what = tier + " " + std::to_string(rows) + "x" + std::to_string(n);
    Results r(rows, n);
    Scratch scratch(table.row_norm_workspace(g));
    table.row_norm_forward(g, forward(r));
    expect_near(r.y, e.y, n, what + " y");
    table.row_norm_backward(g, backward(r), scratch.data());
    expect_near(r.dx, e.dx, n, what + " dx");
    expect_near(r.dweight, e.dweight, rows, what + " dweight");
    expect_near(r.dbias, e.dbias, rows, what + " dbias");
  }
}

TEST(Norm, Rows) {
  for (const int64_t rows : {1, 7, 9, 300})
    for (const int64_t n : {1, 2, 15, 16, 17, 64, 100, 2500})
      for (const bool centered : {false, true})
        if (n > 1 || !centered) {
          check_rows<float>(rows, n, centered, true);
          check_rows<double>(rows, n, centered, false);
        }
}

// ---- neighbouring channels

template <class T>
void check_local(const LocalNorm& shape) {
  LocalNorm g = shape;
  g.dtype = dtype_of<T>;
  const int64_t n = g.images * g.channels * g.places;
  Guarded<T> x(n), dy(n), y(n), dx(n), want_y(n), want_dx(n);
  fill(x, 1), fill(dy, 2);
  ref::local_norm_forward(g, x.data(), want_y.data());
  ref::local_norm_backward(g, x.data(), dy.data(), want_dx.data());
  for (const std::string& tier : dlcore::available_tiers()) {
    const KernelTable& table = dlcore::kernels(tier);
    const std::string what = tier + " " + std::to_string(g.channels) + "x" + std::to_string(g.places);
    Scratch scratch(table.local_norm_workspace(g));
    table.local_norm_forward(g, x.data(), y.data(), scratch.data());
    table.local_norm_backward(g, x.data(), dy.data(), dx.data(), scratch.data());
    expect_near(y, want_y, g.size, what + " y");
    expect_near(dx, want_dx, g.size, what + " dx");
  }
}

TEST(Norm, Local) {
  for (const bool channels_last : {false, true})
    for (const int64_t channels : {1, 4, 17, 96})
      for (const int64_t places : {1, 15, 50})
        for (const int64_t size : {1, 2, 5, 200})
          for (const double beta : {0.75, 1.1}) {
            const LocalNorm g{DType::Float32, channels_last, 3, channels, places, size, 0.7, beta, 1.5};
            check_local<float>(g);
            check_local<double>(g);
          }
}

}  // namespace
