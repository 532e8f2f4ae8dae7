// Pooling against its definition on every tier, in buffers that end at a guard page, with scratch full of NaN. Maxima
// are exact; a sum of L terms and its division err by (L + 2) eps of the magnitudes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/ref/pool.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::Pool2d;
using dlcore::test::Guarded;
using dlcore::test::Scratch;
namespace ref = dlcore::kernel::ref;

struct Case {
  int64_t planes, h, w, kh, kw, stride_h, stride_w, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  bool ceil_mode = false;
  int64_t inner = 1;
};

template <class T>
constexpr DType dtype_of = std::is_same_v<T, double>  ? DType::Float64
                           : std::is_same_v<T, float> ? DType::Float32
                                                      : DType::Int64;

int64_t out_size(int64_t in, int64_t k, int64_t stride, int64_t pad, int64_t dilation, bool ceil_mode) {
  const int64_t space = in + 2 * pad - dilation * (k - 1) - 1;
  if (space < 0) return 0;
  int64_t out = (space + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (out - 1) * stride >= in + pad) --out;  // the last window must begin inside
  return out;
}

template <class T>
Pool2d geometry(const Case& t) {
  Pool2d g{};
  g.dtype = dtype_of<T>;
  g.planes = t.planes, g.h = t.h, g.w = t.w, g.kh = t.kh, g.kw = t.kw;
  g.stride_h = t.stride_h, g.stride_w = t.stride_w, g.pad_h = t.pad_h, g.pad_w = t.pad_w;
  g.dilation_h = t.dilation_h, g.dilation_w = t.dilation_w;
  g.oh = out_size(t.h, t.kh, t.stride_h, t.pad_h, t.dilation_h, t.ceil_mode);
  g.ow = out_size(t.w, t.kw, t.stride_w, t.pad_w, t.dilation_w, t.ceil_mode);
  g.argmax = dlcore::kernel::argmax_dtype(g.kh * g.kw);
  g.inner = t.inner;
  return g;
}

std::string text(const Case& t) {
  std::ostringstream s;
  s << "planes " << t.planes << " h " << t.h << " w " << t.w << " k " << t.kh << "x" << t.kw << " stride " << t.stride_h
    << "," << t.stride_w << " pad " << t.pad_h << "," << t.pad_w << " dilation " << t.dilation_h << "," << t.dilation_w
    << (t.ceil_mode ? " ceil" : "") << " inner " << t.inner;
  return s.str();
}

template <class T>
struct Buffers {
  Pool2d g;
  Guarded<T> x, y, dy, dx;
  Guarded<char> argmax;

  explicit Buffers(const Case& t)
      : g(geometry<T>(t)),
        x(g.planes * g.h * g.w * g.inner),
        y(g.planes * g.oh * g.ow * g.inner),
        dy(y.size()),
        dx(x.size()),
        argmax(y.size() * dlcore::item_size(g.argmax)) {
    std::mt19937 rng(9);
    std::uniform_int_distribution<int> u(-40, 40);  // with ties
    for (T& v : x) v = static_cast<T>(u(rng) / (std::is_integral_v<T> ? 1 : 8.0));
    for (T& v : dy) v = static_cast<T>(u(rng) / (std::is_integral_v<T> ? 1 : 7.0));
  }
  int64_t tap(int64_t o) const {
    return g.argmax == DType::UInt8 ? reinterpret_cast<const uint8_t*>(argmax.data())[o]
                                    : reinterpret_cast<const int32_t*>(argmax.data())[o];
  }
};

template <class T>
void check_max(const Case& t, const std::vector<std::pair<int64_t, T>>& planted = {}) {
  Buffers<T> b(t), e(t);
  for (const auto& [place, value] : planted) b.x[place] = e.x[place] = value;
  std::vector<int64_t> taps(static_cast<size_t>(e.y.size()));
  ref::max_pool2d_forward(e.g, e.x.data(), e.y.data(), taps.data());
  ref::max_pool2d_backward(e.g, e.dy.data(), taps.data(), e.dx.data());
  for (const std::string& tier : dlcore::available_tiers()) {
    SCOPED_TRACE(tier + " " + text(t));
    const KernelTable& table = dlcore::kernels(tier);
    Scratch forward(table.pool2d_workspace(b.g, false)), backward(table.pool2d_workspace(b.g, true));
    table.max_pool2d_forward(b.g, b.x.data(), b.y.data(), nullptr, forward.data());
    const std::vector<T> without(b.y.begin(), b.y.end());
    table.max_pool2d_forward(b.g, b.x.data(), b.y.data(), b.argmax.data(), forward.data());
    for (int64_t o = 0; o < b.y.size(); ++o) {
      const auto i = static_cast<size_t>(o);
      ASSERT_TRUE(b.y[o] == e.y[o] || (b.y[o] != b.y[o] && e.y[o] != e.y[o]))
          << o << ": " << b.y[o] << " for " << e.y[o];
      ASSERT_TRUE(without[i] == e.y[o] || (without[i] != without[i] && e.y[o] != e.y[o])) << o;
      ASSERT_EQ(b.tap(o), taps[i]) << o;
    }
    if (std::is_integral_v<T>) continue;
    for (T& v : b.dx) v = T(77);
    table.max_pool2d_backward(b.g, b.dy.data(), b.argmax.data(), b.dx.data(), backward.data());
    for (int64_t i = 0; i < b.dx.size(); ++i)
      ASSERT_NEAR(b.dx[i], e.dx[i], 200.0 * b.g.kh * b.g.kw * std::numeric_limits<T>::epsilon()) << i;
  }
}

template <class T>
void check_avg(const Case& t, int64_t divisor, bool count_include_pad) {
  Buffers<T> b(t), e(t);
  b.g.divisor = e.g.divisor = divisor;
  b.g.count_include_pad = e.g.count_include_pad = count_include_pad;
  ref::avg_pool2d_forward(e.g, e.x.data(), e.y.data());
  ref::avg_pool2d_backward(e.g, e.dy.data(), e.dx.data());
  const double length = static_cast<double>(t.kh * t.kw);
  const double bound = std::is_integral_v<T> ? 0 : (length + 2) * length * 6 * std::numeric_limits<T>::epsilon();
  for (const std::string& tier : dlcore::available_tiers()) {
    SCOPED_TRACE(tier + " " + text(t) + " divisor " + std::to_string(divisor) +
                 (count_include_pad ? " with padding" : ""));
    const KernelTable& table = dlcore::kernels(tier);
    Scratch forward(table.pool2d_workspace(b.g, false)), backward(table.pool2d_workspace(b.g, true));
    for (T& v : b.y) v = T(77);
    for (T& v : b.dx) v = T(77);
    table.avg_pool2d_forward(b.g, b.x.data(), b.y.data(), forward.data());
    for (int64_t o = 0; o < b.y.size(); ++o) ASSERT_NEAR(b.y[o], e.y[o], bound) << o;
    if (std::is_integral_v<T>) continue;
    table.avg_pool2d_backward(b.g, b.dy.data(), b.dx.data(), backward.data());
    for (int64_t i = 0; i < b.dx.size(); ++i) ASSERT_NEAR(b.dx[i], e.dx[i], bound) << i;
  }
}

// Planes, and images of fewer channels than a vector has lanes, of a few vectors, and of what does not divide.
template <class F>
void each_case(const F& check) {
  const auto use = [&](Case t) {
    const Pool2d g = geometry<float>(t);
    if (g.oh > 0 && g.ow > 0) check(t);
  };
  for (int64_t k : {1, 2, 3, 5})
    for (int64_t stride : {1, 2, 3, 4})
      for (int64_t w : {1, 5, 8, 15, 16, 17, 33})
        for (int64_t pad : {int64_t{0}, k / 2})
          for (bool ceil_mode : {false, true}) {
            Case t{3, 7, w,        std::min<int64_t>(k, 3), k, stride, stride, std::min<int64_t>(pad, 1), pad,
                   1, 1, ceil_mode};
            use(t);
            if (w > 5) continue;
            t.planes = 2;
            for (int64_t inner : {2, 7, 21, 70}) {
              t.inner = inner;
              use(t);
            }
          }
  for (int64_t planes : {1, 4, 19, 40})  // pairs, and rows that are not
    for (int64_t h : {2, 5})
      for (int64_t w : {2, 9, 31, 33, 68, 70})
        for (int64_t kh : {1, 2}) use({planes, h, w, kh, 2, kh, 2});
  use({2, 28, 28, 2, 2, 2, 2});
  use({70, 14, 14, 2, 2, 2, 2});
  use({1, 150, 90, 3, 3, 2, 2, 1, 1});
  use({18, 60, 91, 3, 3, 1, 1, 1, 1});  // several blocks of rows
  use({1, 2, 700, 2, 2, 2, 2});
  use({3, 1, 5000, 1, 3, 1, 2, 0, 1});  // several blocks of columns
  use({17, 6, 2100, 3, 5, 1, 1, 1, 2});
  use({2, 9, 9, 9, 9, 9, 9, 0, 0, 1, 1, false, 300});          // few rows, many channels
  for (int64_t n : {3, 7, 8, 17}) use({5, n, 8, n, 8, n, 8});  // whole planes
}

TEST(Pool, Max) {
  each_case([](const Case& t) {
    check_max<float>(t);
    check_max<double>(t);
    check_max<int64_t>(t);
  });
  check_max<float>({2, 19, 23, 3, 4, 2, 3, 1, 2, 2, 3});
  check_max<float>({2, 19, 23, 3, 2, 3, 1, 1, 1, 4, 2, true});
  for (const int64_t inner : {1, 5, 18}) {
    check_max<float>({2, 19, 23, 3, 4, 2, 3, 1, 2, 2, 3, false, inner});
    check_max<double>({2, 19, 23, 3, 2, 3, 1, 1, 1, 4, 2, true, inner});
    check_max<float>({2, 19, 23, 5, 5, 4, 6, 2, 2, 2, 4, false, inner});    // steps with a common divisor
    check_max<float>({2, 40, 23, 20, 17, 3, 2, 4, 3, 1, 1, false, inner});  // argmax in two bytes
  }
  check_max<float>({1, 300, 300, 280, 290, 3, 4});  // argmax in four bytes
  check_max<float>({1, 300, 300, 280, 290, 3, 4, 0, 0, 1, 1, false, 3});
}

TEST(Pool, Average) {
  each_case([](const Case& t) {
    for (const int64_t divisor : {0, -3})
      for (const bool with_padding : {false, true}) {
        check_avg<float>(t, divisor, with_padding);
        check_avg<double>(t, divisor, with_padding);
        check_avg<int64_t>(t, divisor, with_padding);
      }
  });
}

TEST(Pool, NaNWins) {
  check_max<float>({1, 6, 18, 2, 2, 2, 2}, {{0, NAN}, {1, NAN}, {18, NAN}, {40, NAN}, {107, NAN}});
  check_max<double>({1, 6, 18, 3, 3, 2, 2, 1, 1}, {{0, NAN}, {1, NAN}, {18, NAN}, {40, NAN}, {107, NAN}});
  for (const int64_t inner : {1, 5, 16, 64})
    check_max<float>({1, 6, 18, 3, 3, 1, 1, 1, 1, 1, 1, false, inner},
                     {{0, NAN}, {1, NAN}, {18, NAN}, {40, -NAN}, {41, INFINITY}, {60, -INFINITY}, {107, NAN}});
}

// In a window of nothing but the lowest value the maximum is its first element, not the padding before it.
TEST(Pool, LowestValueIsNotPadding) {
  std::vector<std::pair<int64_t, float>> all;
  std::vector<std::pair<int64_t, int64_t>> all_ints;
  for (int64_t i = 0; i < 7 * 20; ++i) {
    all.emplace_back(i, -INFINITY);
    all_ints.emplace_back(i, INT64_MIN);
  }
  const Case t{1, 7, 20, 3, 3, 2, 2, 1, 1}, dilated{1, 7, 20, 3, 3, 2, 1, 1, 1, 2, 3};
  check_max<float>(t, all);
  check_max<float>(dilated, all);
  check_max<int64_t>(t, all_ints);
  check_max<float>({1, 7, 4, 3, 3, 2, 2, 1, 1, 1, 1, false, 5}, all);
}

TEST(Pool, SameBitsForAnyThreads) {
  const int threads = dlcore::get_num_threads();
  for (const Case& t : {Case{384, 28, 28, 2, 2, 2, 2}, Case{40, 56, 112, 3, 3, 2, 2, 1, 1},
                        Case{2, 56, 56, 3, 3, 2, 2, 1, 1, 1, 1, false, 48}}) {
    Buffers<float> b(t);
    for (const std::string& tier : dlcore::available_tiers()) {
      const KernelTable& table = dlcore::kernels(tier);
      Scratch forward(table.pool2d_workspace(b.g, false)), backward(table.pool2d_workspace(b.g, true));
      std::vector<float> first;
      for (int n : {1, 2, 3, 7}) {
        dlcore::set_num_threads(n);
        table.max_pool2d_forward(b.g, b.x.data(), b.y.data(), b.argmax.data(), forward.data());
        std::vector<float> all(b.y.begin(), b.y.end());
        table.max_pool2d_backward(b.g, b.dy.data(), b.argmax.data(), b.dx.data(), backward.data());
        all.insert(all.end(), b.dx.begin(), b.dx.end());
        table.avg_pool2d_forward(b.g, b.x.data(), b.y.data(), forward.data());
        all.insert(all.end(), b.y.begin(), b.y.end());
        table.avg_pool2d_backward(b.g, b.dy.data(), b.dx.data(), backward.data());
        all.insert(all.end(), b.dx.begin(), b.dx.end());
        if (n == 1) first = all;
        EXPECT_EQ(all, first) << n << " threads, " << tier << ", " << text(t);
      }
    }
  }
  dlcore::set_num_threads(threads);
}

}  // namespace
