// Kernels that take each axis by itself against their definition, on every tier, in buffers that end at a guard page,
// with scratch full of NaN. Maxima are exact; a sum of L products errs by (L + 3) eps of the magnitudes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/pool.h"
#include "kernels/ref/axis_map.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::AxisMap;
using dlcore::kernel::Image;
using dlcore::kernel::MaxWindows;
using dlcore::test::Guarded;
using dlcore::test::Scratch;
namespace ref = dlcore::kernel::ref;

// Windows of pooling along an axis, with random weights, and the same transposed.
struct Axis {
  int64_t in, out, most = 0, taps;
  std::vector<int64_t> start{0}, place, tap;
  std::vector<double> weight;

  Axis(int64_t in, int64_t taps, int64_t stride, int64_t pad)
      : in(in), out((in + 2 * pad - taps) / stride + 1), taps(taps) {
    std::mt19937 rng(static_cast<unsigned>(in * 100 + taps));
    std::uniform_real_distribution<double> u(-1, 1);
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t k = 0; k < taps; ++k)
        if (const int64_t i = o * stride + k - pad; i >= 0 && i < in) add(i, k, u(rng));
      next();
    }
  }
  void add(int64_t i, int64_t k, double w) { place.push_back(i), tap.push_back(k), weight.push_back(w); }
  void next() {
    most = std::max(most, static_cast<int64_t>(place.size()) - start.back());
    start.push_back(static_cast<int64_t>(place.size()));
  }
  Axis transposed() const {
    Axis t = *this;
    t.in = out, t.out = in, t.most = 0;
    t.start = {0}, t.place.clear(), t.tap.clear(), t.weight.clear();
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t o = 0; o < out; ++o)
        for (auto e = static_cast<size_t>(start[static_cast<size_t>(o)]);
             e < static_cast<size_t>(start[static_cast<size_t>(o) + 1]); ++e)
          if (place[e] == i) t.add(o, tap[e], weight[e]);
      t.next();
    }
    return t;
  }
  AxisMap map() const { return {in, out, most, start.data(), place.data(), tap.data(), weight.data()}; }
};

struct Case {
  int64_t outer, inner;
  Axis d, h, w;
  std::string text() const {
    return std::to_string(outer) + "x" + std::to_string(d.in) + "x" + std::to_string(h.in) + "x" +
           std::to_string(w.in) + "x" + std::to_string(inner) + " taps " + std::to_string(w.taps) + " to " +
           std::to_string(w.out);
  }
};

template <class F>
void each_case(const F& use) {
  for (int64_t inner : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 70})
    for (int64_t taps : {1, 2, 3})
      for (int64_t stride : {1, 2})
        for (int64_t w : {3, 8, 17})
          use(Case{2, inner, Axis(1, 1, 1, 0), Axis(5, taps, stride, taps / 2), Axis(w, taps, stride, taps / 2)});
  for (int64_t inner : {1, 6, 33}) use(Case{2, inner, Axis(4, 2, 2, 1), Axis(5, 3, 1, 1), Axis(19, 2, 3, 0)});
}

template <class T>
constexpr DType dtype_of = std::is_same_v<T, double>  ? DType::Float64
                           : std::is_same_v<T, float> ? DType::Float32
                                                      : DType::Int64;

template <class T>
void randomize(Guarded<T>& values, unsigned seed) {
  std::mt19937 rng(seed);
  std::uniform_int_distribution<int> u(-40, 40);  // with ties
  for (T& v : values) v = static_cast<T>(u(rng) / (std::is_integral_v<T> ? 1 : 8.0));
}

template <class T>
void check_resample(const Image& g, const std::string& tier, const std::string& text) {
  SCOPED_TRACE(tier + " " + text);
  Guarded<T> x(g.outer * g.d.in * g.h.in * g.w.in * g.inner);
  Guarded<T> y(g.outer * g.d.out * g.h.out * g.w.out * g.inner), want(y.size());
  randomize(x, 5);
  for (T& v : y) v = T(77);
  const KernelTable& table = dlcore::kernels(tier);
  Scratch scratch(table.resample_workspace(g));
  table.resample(g, x.data(), y.data(), scratch.data());
  ref::resample(g, x.data(), want.data());
  const double length = static_cast<double>(g.d.most * g.h.most * g.w.most);
  const double bound = (length + 3) * length * 5 * std::numeric_limits<T>::epsilon();
  for (int64_t o = 0; o < y.size(); ++o) ASSERT_NEAR(y[o], want[o], bound) << o;
}

TEST(AxisMap, Resample) {
  for (const std::string& tier : dlcore::available_tiers())
    each_case([&](const Case& t) {
      const Axis d = t.d.transposed(), h = t.h.transposed(), w = t.w.transposed();
      for (const bool back : {false, true}) {
        Image g{DType::Float32,        t.outer, t.inner, (back ? d : t.d).map(), (back ? h : t.h).map(),
                (back ? w : t.w).map()};
        check_resample<float>(g, tier, t.text());
        g.dtype = DType::Float64;
        check_resample<double>(g, tier, t.text());
      }
    });
}

template <class T>
void check_max(const Case& t, const std::string& tier, DType argmax, T planted = T(1)) {
  SCOPED_TRACE(tier + " " + t.text());
  const MaxWindows m{{dtype_of<T>, t.outer, t.inner, t.d.map(), t.h.map(), t.w.map()}, t.h.taps, t.w.taps, argmax};
  const Axis d = t.d.transposed(), h = t.h.transposed(), w = t.w.transposed();
  const MaxWindows back{{dtype_of<T>, t.outer, t.inner, d.map(), h.map(), w.map()}, t.h.taps, t.w.taps, argmax};
  Guarded<T> x(t.outer * t.d.in * t.h.in * t.w.in * t.inner), dx(x.size()), want_dx(x.size());
  Guarded<T> y(t.outer * t.d.out * t.h.out * t.w.out * t.inner), want(y.size()), dy(y.size()), alone(y.size());
  Guarded<char> choice(y.size() * dlcore::item_size(argmax));
  Guarded<int64_t> tap(y.size()), place(y.size()), want_place(y.size());
  randomize(x, 5);
  randomize(dy, 6);
  if (planted != T(1))
    for (int64_t i = 0; i < x.size(); i += 3) x[i] = planted;
  for (T& v : dx) v = T(77);
  const KernelTable& table = dlcore::kernels(tier);
  Scratch forward(table.max_windows_workspace(m)), backward(table.max_windows_workspace(back));
  table.max_windows(m, x.data(), alone.data(), nullptr, forward.data());
  table.max_windows(m, x.data(), y.data(), choice.data(), forward.data());
  table.max_windows_places(m, choice.data(), place.data(), forward.data());
  ref::max_windows(m, x.data(), want.data(), tap.data(), want_place.data());
  const auto same = [](T a, T b) { return a == b || (a != a && b != b); };
  for (int64_t o = 0; o < y.size(); ++o) {
    ASSERT_TRUE(same(y[o], want[o])) << o << ": " << y[o] << " for " << want[o];
    ASSERT_TRUE(same(alone[o], want[o])) << o;
    ASSERT_EQ(place[o], want_place[o]) << o;
  }
  if (std::is_integral_v<T>) return;
  table.max_windows_backward(back, dy.data(), choice.data(), dx.data(), backward.data());
  ref::max_windows_backward(m, dy.data(), want_place.data(), want_dx.data());
  for (int64_t i = 0; i < dx.size(); ++i)
    ASSERT_NEAR(dx[i], want_dx[i], 200.0 * 9 * static_cast<double>(std::numeric_limits<T>::epsilon())) << i;
}

TEST(AxisMap, MaxWindows) {
  for (const std::string& tier : dlcore::available_tiers())
    each_case([&](const Case& t) {
      check_max<float>(t, tier, DType::UInt8);
      check_max<double>(t, tier, DType::UInt8);
      check_max<int64_t>(t, tier, DType::UInt8);
      check_max<float>(t, tier, DType::Int32);
      check_max<double>(t, tier, DType::Int32);
    });
}

TEST(AxisMap, NaNWinsAndLowestIsNotPadding) {
  for (const std::string& tier : dlcore::available_tiers())
    for (int64_t inner : {1, 5, 40}) {
      const Case t{2, inner, Axis(1, 1, 1, 0), Axis(6, 3, 2, 1), Axis(9, 3, 2, 1)};
      check_max<float>(t, tier, DType::UInt8, std::numeric_limits<float>::quiet_NaN());
      check_max<double>(t, tier, DType::UInt8, std::numeric_limits<double>::quiet_NaN());
      check_max<float>(t, tier, DType::UInt8, -std::numeric_limits<float>::infinity());
      check_max<int64_t>(t, tier, DType::UInt8, std::numeric_limits<int64_t>::min());
    }
}

TEST(AxisMap, SameBitsForAnyThreads) {
  const int threads = dlcore::get_num_threads();
  const Axis one(1, 1, 1, 0), a(57, 3, 2, 1), b(57, 3, 2, 1);
  const Axis back_a = a.transposed(), back_b = b.transposed();
  for (const int64_t inner : {1, 48})
    for (const std::string& tier : dlcore::available_tiers()) {
      const KernelTable& table = dlcore::kernels(tier);
      const Image g{DType::Float32, 9, inner, one.map(), back_a.map(), back_b.map()};
      Guarded<float> x(9 * a.out * b.out * inner), y(9 * a.in * b.in * inner);
      randomize(x, 3);
      std::vector<float> first;
      for (const int n : {1, 2, 3, 7}) {
        dlcore::set_num_threads(n);
        Scratch scratch(table.resample_workspace(g));
        table.resample(g, x.data(), y.data(), scratch.data());
        const std::vector<float> all(y.begin(), y.end());
        if (n == 1) first = all;
        EXPECT_EQ(all, first) << n << " threads, " << tier;
      }
    }
  dlcore::set_num_threads(threads);
}

}  // namespace
