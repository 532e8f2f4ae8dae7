// Convolution against its naive sums on every tier, in buffers that end at a guard page, with scratch full of NaN.
// |error| <= (L + 4) eps sum |a| |b|, L the number of products that are added.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/ref/conv.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::Activation;
using dlcore::kernel::Conv2d;
using dlcore::kernel::ConvPass;
using dlcore::test::Guarded;
using dlcore::test::kSanitized;
using dlcore::test::Scratch;
namespace ref = dlcore::kernel::ref;

struct Case {
  int64_t n, c, h, w, oc, kh, kw;
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
  int64_t more_pad = 0;  // below and to the right, beyond pad_h and pad_w
  int winograd = 0;
  bool channels_last = false;
};

template <class T>
Conv2d geometry(const Case& t) {
  Conv2d g{};
  g.dtype = sizeof(T) == 8 ? DType::Float64 : DType::Float32;
  g.n = t.n, g.c = t.c, g.h = t.h, g.w = t.w, g.oc = t.oc, g.kh = t.kh, g.kw = t.kw;
  g.stride_h = t.stride_h, g.stride_w = t.stride_w, g.pad_h = t.pad_h, g.pad_w = t.pad_w;
  g.dilation_h = t.dilation_h, g.dilation_w = t.dilation_w, g.groups = t.groups;
  g.oh = (t.h + 2 * t.pad_h + t.more_pad - t.dilation_h * (t.kh - 1) - 1) / t.stride_h + 1;
  g.winograd = t.winograd;
  g.channels_last = t.channels_last;
  g.ow = (t.w + 2 * t.pad_w + t.more_pad - t.dilation_w * (t.kw - 1) - 1) / t.stride_w + 1;
  return g;
}

std::string text(const Case& t) {
  std::ostringstream s;
  s << "n " << t.n << " c " << t.c << " h " << t.h << " w " << t.w << " oc " << t.oc << " k " << t.kh << "x" << t.kw
    << " stride " << t.stride_h << "," << t.stride_w << " pad " << t.pad_h << "," << t.pad_w << "+" << t.more_pad
    << " dilation " << t.dilation_h << "," << t.dilation_w << " groups " << t.groups << " winograd " << t.winograd
    << (t.channels_last ? " channels last" : "");
  return s.str();
}

template <class T>
void randomize(Guarded<T>& x, std::mt19937& rng) {
  std::uniform_real_distribution<double> u(-1, 1);
  for (T& v : x) v = static_cast<float>(u(rng));  // the same numbers in either type: they share a reference
}

// (n, rows, cols) -> (n, cols, rows)
template <class T>
void swap_axes(Guarded<T>& x, int64_t n, int64_t rows, int64_t cols) {
  const std::vector<T> from(x.begin(), x.end());
  for (int64_t i = 0; i < n * rows * cols; ++i)
    x[(i / (rows * cols) * cols + i % cols) * rows + i / cols % rows] = from[static_cast<size_t>(i)];
}

template <class T>
bool same(T a, T b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

// Everything that one geometry needs. Outside of `run` all images are channels-first.
template <class T>
struct Buffers {
  Conv2d g;
  Guarded<T> x, w, b, y, dy, dx, dw, db;

  explicit Buffers(const Case& t)
      : g(geometry<T>(t)),
        x(g.n * g.c * g.h * g.w),
        w(g.oc * (g.c / g.groups) * g.kh * g.kw),
        b(g.oc),
        y(g.n * g.oc * g.oh * g.ow),
        dy(y.size()),
        dx(x.size()),
        dw(w.size()),
        db(g.oc) {
    std::mt19937 rng(5);
    for (Guarded<T>* v : {&x, &w, &b, &dy}) randomize(*v, rng);
    forget();
  }
  void forget() {
    for (Guarded<T>* v : {&y, &dx, &dw, &db})
      for (T& e : *v) e = std::numeric_limits<T>::quiet_NaN();
  }
  void run(const KernelTable& table) {
    Guarded<T> planes(x.size());
    std::copy(x.begin(), x.end(), planes.begin());
    if (g.channels_last) {
      swap_axes(x, g.n, g.c, g.h * g.w);
      swap_axes(dy, g.n, g.oc, g.oh * g.ow);
    }
    const auto scratch = [&](ConvPass pass) { return Scratch(table.conv2d_workspace(g, pass)); };
    const auto forward = [&](const void* filters, T* to) {
      table.conv2d_forward(g, x.data(), filters, b.data(), to, scratch(ConvPass::Forward).data());
    };
    const auto backward_data = [&](const void* filters, T* to) {
      table.conv2d_backward_data(g, dy.data(), filters, to, scratch(ConvPass::BackwardData).data());
    };
    // The same bits from weights that are already packed.
    const auto both_ways = [&](ConvPass pass, const auto& compute, Guarded<T>& result) {
      compute(w.data(), result.data());
      const int64_t bytes = table.conv2d_packed_size(g, pass);
      if (bytes == 0) return;
      Scratch packed(bytes);
      table.conv2d_pack(g, pass, w.data(), packed.data());
      Guarded<T> again(result.size());
      g.packed = true;
      compute(packed.data(), again.data());
      g.packed = false;
      for (int64_t i = 0; i < again.size(); ++i) ASSERT_TRUE(same(again[i], result[i])) << i;
    };
    both_ways(ConvPass::Forward, forward, y);
    both_ways(ConvPass::BackwardData, backward_data, dx);
    // An activation gives the same bits, cut off. The bias brings every second channel near 6.
    const std::vector<T> bias(b.begin(), b.end());
    for (int64_t k = 1; k < g.oc; k += 2) b[k] += T(6);
    Guarded<T> plain(y.size()), active(y.size());
    forward(w.data(), plain.data());
    const T infinity = std::numeric_limits<T>::infinity();
    for (const auto& [act, most] : {std::pair(Activation::Relu, infinity), std::pair(Activation::Relu6, T(6))}) {
      g.activation = act;
      forward(w.data(), active.data());
      g.activation = Activation::None;
      for (int64_t i = 0; i < y.size(); ++i)
        ASSERT_TRUE(same(active[i], plain[i] < 0 ? T(0) : plain[i] > most ? most : plain[i])) << i;
    }
    std::copy(bias.begin(), bias.end(), b.begin());
    table.conv2d_backward_weight(g, x.data(), dy.data(), dw.data(), db.data(),
                                 scratch(ConvPass::BackwardWeight).data());
    if (!g.channels_last) return;
    if (dlcore::kernel::conv2d_may_read_planes(g)) {  // the same bits from planes
      Guarded<T> again(y.size()), dw_again(dw.size()), db_again(db.size());
      g.planes = true;
      table.conv2d_forward(g, planes.data(), w.data(), b.data(), again.data(), scratch(ConvPass::Forward).data());
      table.conv2d_backward_weight(g, planes.data(), dy.data(), dw_again.data(), db_again.data(),
                                   scratch(ConvPass::BackwardWeight).data());
      if (dlcore::kernel::conv2d_few_channels(g)) {
        Guarded<T> dx_planes(dx.size()), turned(dx.size());
        table.conv2d_backward_data(g, dy.data(), w.data(), dx_planes.data(), scratch(ConvPass::BackwardData).data());
        std::copy(dx.begin(), dx.end(), turned.begin());
        swap_axes(turned, g.n, g.h * g.w, g.c);
        for (int64_t i = 0; i < dx.size(); ++i) ASSERT_TRUE(same(dx_planes[i], turned[i])) << i;
      }
      g.planes = false;
      for (int64_t i = 0; i < y.size(); ++i) ASSERT_TRUE(same(again[i], y[i])) << i;
      for (int64_t i = 0; i < dw.size(); ++i) ASSERT_TRUE(same(dw_again[i], dw[i])) << i;
    }
    for (Guarded<T>* v : {&x, &dx}) swap_axes(*v, g.n, g.h * g.w, g.c);
    for (Guarded<T>* v : {&y, &dy}) swap_axes(*v, g.n, g.oh * g.ow, g.oc);
  }
  void run_reference() {
    ref::conv2d_forward(g, x.data(), w.data(), b.data(), y.data());
    ref::conv2d_backward_data(g, dy.data(), w.data(), dx.data());
    ref::conv2d_backward_weight(g, x.data(), dy.data(), dw.data(), db.data());
  }
  void absolute() {
    for (Guarded<T>* v : {&x, &w, &b, &dy})
      for (T& e : *v) e = std::abs(e);
  }
  std::vector<std::vector<T>> results() {
    std::vector<std::vector<T>> r;
    for (Guarded<T>* v : {&y, &dx, &dw, &db}) r.emplace_back(v->begin(), v->end());
    return r;
  }
};

// The results, and the same sums over absolute values.
struct Reference {
  std::vector<std::vector<double>> exact, magnitude;

  explicit Reference(const Case& t) {
    Buffers<double> b(t);
    b.run_reference();
    exact = b.results();
    b.absolute();
    b.run_reference();
    magnitude = b.results();
  }
};

template <class T>
void compare(const Case& t, const Reference& r) {
  Buffers<T> tested(t);
  const Conv2d& g = tested.g;
  const int64_t lengths[] = {g.c / g.groups * g.kh * g.kw + 1, g.oc / g.groups * g.kh * g.kw, g.n * g.oh * g.ow,
                             g.n * g.oh * g.ow};
  const char* names[] = {"y", "dx", "dw", "db"};
  for (const std::string& tier : dlcore::available_tiers()) {
    tested.forget();
    tested.run(dlcore::kernels(tier));
    const auto got = tested.results();
    for (size_t k = 0; k < 4; ++k) {
      const double eps = static_cast<double>(lengths[k] + 4) * std::numeric_limits<T>::epsilon();
      for (size_t i = 0; i < got[k].size(); ++i)
        if (!(std::abs(got[k][i] - r.exact[k][i]) <= eps * r.magnitude[k][i]))
          FAIL() << names[k] << "[" << i << "] " << tier << (sizeof(T) == 8 ? " double " : " float ") << text(t) << ": "
                 << got[k][i] << ", expected " << r.exact[k][i];
    }
  }
}

// In both orders, where there are channels-last kernels.
template <class T>
void check(const Case& t, const Reference& r) {
  compare<T>(t, r);
  Case last = t;
  last.channels_last = true;
  const bool exists = t.n * t.c > 0 && std::max(t.stride_h, t.stride_w) <= dlcore::kernel::kChannelsLastStride;
  if (exists) compare<T>(last, r);
}
template <class T>
void check(const Case& t) {
  check<T>(t, Reference(t));
}

void check_both(const Case& t) {
  const Reference r(t);
  check<float>(t, r);
  check<double>(t, r);
}

TEST(Conv, Kernels) {
  for (int64_t k : {1, 2, 3, 5})
    for (int64_t w : {1, 4, 7, 15, 16, 17, 33})
      for (int64_t pad : {0, 1, 2}) {
        if (w + 2 * pad < k) continue;
        check_both({2, 3, 6, w, 4, std::min<int64_t>(k, 6 + 2 * pad), k, 1, 1, pad, pad});
      }
}

TEST(Conv, StridesPaddingsDilations) {
  for (int64_t stride : {1, 2, 3, 5})
    for (int64_t dilation : {1, 2, 3, 4})
      for (int64_t pad : {0, 1, 3, 7}) {
        check_both({2, 2, 14, 17, 3, 3, 4, stride, stride, pad, pad, dilation, dilation});
        check_both({1, 2, 13, 19, 3, 2, 3, stride, 1, pad, 0, 1, dilation, 1, 1});
      }
}

TEST(Conv, ChannelsAndGroups) {
  for (int64_t groups : {1, 2, 5})
    for (int64_t channels : {1, 2, 5, 16, 17})
      for (int64_t rows : {1, 3, 6, 7, 8, 9, 16, 33})
        check_both({1, groups * channels, 5, 6, groups * rows, 3, 3, 1, 1, 1, 1, 1, 1, groups});
}

TEST(Conv, Engine) {  // enough channels for the matrix engine, with everything that moves offsets
  check_both({2, 80, 9, 11, 70, 3, 3, 1, 1, 1, 1});
  check_both({2, 80, 9, 11, 70, 3, 3, 2, 2, 1, 1});
  check_both({2, 160, 12, 11, 140, 3, 2, 2, 3, 2, 1, 2, 1, 2});
  check_both({3, 96, 7, 7, 70, 1, 1});
  check_both({3, 81, 8, 7, 17, 1, 1, 2, 2});
  check_both({2, 96, 2, 2, 80, 1, 1, 2, 2});  // a target of one position: another plan of the engine
  check_both({2, 66, 5, 6, 65, 5, 3, 4, 3, 2, 1});
  check_both({9, 40, 2, 2, 50, 3, 3, 2, 2, 1, 1});  // several images in a block
}

TEST(Conv, Depthwise) {
  for (int64_t c : {2, 16, 17, 40})
    for (int64_t stride : {1, 2, 3})
      for (int64_t pad : {0, 1, 3}) {
        check_both({2, c, 9, 13, c, 3, 3, stride, stride, pad, pad, 1, 1, c});
        check_both({1, c, 11, 10, c, 5, 5, stride, stride, pad, 2, 1, 1, c});
        check_both({2, c, 12, 8, c, 2, 3, 1, stride, pad, pad, 2, 1, c, 1});
        check_both({1, c, 4, 30, c, 1, 4, stride, 1, 0, pad, 1, 2, c});
      }
}

// |error| <= 16 (tiles of 4) or 8 (of 2) eps sqrt(terms / 9) times the root of the mean square of the exact results
// (docs/convolution.md), and without Winograd's tiles the sums' own bound.
TEST(Conv, Winograd) {
  std::mt19937 rng(3);
  const auto pick = [&](int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng); };
  std::vector<Case> cases = {{1, 32, 16, 16, 32, 3, 3, 1, 1, 1, 1},
                             {20, 40, 7, 7, 33, 3, 3, 1, 1, 1, 1},
                             {2, 33, 13, 30, 70, 3, 3},
                             {3, 64, 3, 70, 32, 3, 3, 1, 1, 1, 1},
                             {1, 32, 20, 21, 47, 3, 3, 1, 1, 5, 4},
                             {1, 160, 14, 15, 130, 3, 3, 1, 1, 2, 0},
                             {17, 32, 1, 2, 35, 3, 3, 1, 1, 1, 1},
                             {3, 40, 1, 37, 33, 3, 3, 1, 1, 1, 1},
                             {2, 33, 25, 1, 48, 3, 3, 1, 1, 1, 1},
                             {30, 32, 3, 3, 32, 3, 3, 1, 1, 1, 1},
                             {2, 5, 9, 11, 7, 3, 3, 1, 1, 1, 2}};
  for (int i = 0; i < (kSanitized ? 3 : 12); ++i)
    cases.push_back(
        {pick(1, 4), pick(32, 50), pick(3, 24), pick(3, 40), pick(32, 50), 3, 3, 1, 1, pick(0, 3), pick(0, 3)});
  const auto check_winograd = [](const Case& t, const Reference& r) {
    Buffers<float> tested(t);
    const Conv2d& g = tested.g;
    const int64_t side = t.winograd, tiles = g.n * ((g.oh + side - 1) / side) * ((g.ow + side - 1) / side);
    const double positions = 1. * g.n * g.oh * g.ow;
    // On a few tiles, or small ones, what they hold beyond the plane counts: it rounds too.
    const double summed = side == 4 && tiles >= 48 ? positions : 1. * tiles * side * side;
    const double terms[] = {9. * g.c, 9. * g.oc, summed, positions};
    for (const std::string& tier : dlcore::available_tiers()) {
      tested.forget();
      tested.run(dlcore::kernels(tier));
      const auto got = tested.results();
      for (size_t k = 0; k < 4; ++k) {
        double square = 0, worst = 0;
        for (size_t i = 0; i < got[k].size(); ++i) {
          square += r.exact[k][i] * r.exact[k][i];
          worst = std::max(worst, std::abs(got[k][i] - r.exact[k][i]));
        }
        const double size = std::sqrt(square / static_cast<double>(got[k].size()));
        const double factor = t.winograd == 4 ? 16 : 8;
        EXPECT_LE(worst, factor * std::numeric_limits<float>::epsilon() * std::sqrt(terms[k] / 9) * size)
            << k << " " << tier << " " << text(t);
      }
    }
  };
  for (const Case& t : cases) {
    const Reference r(t);
    for (const bool last : {false, true}) {
      Case tested = t;
      tested.channels_last = last;
      compare<float>(tested, r);
      for (const int tile : {2, 4}) {
        tested.winograd = tile;
        check_winograd(tested, r);
      }
    }
  }
}

TEST(Conv, LeNet) {
  check_both({5, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2});
  check_both({5, 6, 14, 14, 16, 5, 5});
  check_both({5, 1, 8, 8, 6, 5, 5, 1, 1, 2, 2});
  check_both({4, 16, 5, 5, 120, 5, 5});
}

TEST(Conv, SeveralBlocksAndChunks) {
  check<float>({1, 3, 120, 90, 8, 7, 7, 2, 2, 3, 3});
  check<float>({1, 72, 40, 30, 16, 3, 3, 1, 1, 1, 1});
  check<float>({40, 4, 9, 9, 5, 3, 3, 1, 1, 1, 1});
  check<float>({1, 2, 300, 3, 2, 9, 3, 1, 1, 4, 1});
}

// Small planes under large padded kernels, channels last: positions are taken apart by the taps that exist for them.
// With several images in a block, with groups, and where rows, columns, both or neither are taken apart.
TEST(Conv, TapsBeyondTheImage) {
  const auto last = [](Case t) {
    t.channels_last = true;
    check_both(t);
  };
  for (int64_t side : {1, 2, 3, 7})
    for (int64_t k : {3, 5})
      for (int64_t stride : {1, 2}) {
        last({9, 40, side, side, 70, k, k, stride, stride, k / 2, k / 2});
        last({2, 64, side, side + 6, 40, k, 3, stride, 1, k / 2, 1});
      }
  last({2, 40, 5, 4, 33, 3, 3, 1, 1, 4, 4, 2, 2});          // results that see padding alone
  last({3, 48, 6, 7, 96, 3, 3, 1, 1, 3, 2, 3, 2, 2});       // groups
  last({1, 36, 2, 40, 34, 1, 7, 1, 1, 0, 3});               // rows alone
  last({1, 36, 40, 2, 34, 7, 1, 1, 2, 3, 0});               // columns alone
  last({2, 17, 9, 9, 32, 2, 4, 1, 1, 1, 2, 1, 1, 1, 1});    // more padding behind than in front
  last({2, 130, 4, 4, 130, 3, 3, 3, 3, 1, 1, 2, 2, 1, 1});  // phases without taps
}

TEST(Conv, NothingThere) {
  check_both({0, 3, 5, 5, 4, 3, 3});              // no images: dw and db are zero
  check_both({2, 0, 5, 5, 4, 3, 3});              // no channels: y is the bias
  check_both({2, 3, 1, 1, 4, 3, 3, 1, 1, 5, 5});  // mostly padding
  check_both({2, 3, 6, 6, 4, 1, 1, 4, 4});        // inputs that no tap reads
  check_both({2, 3, 9, 9, 4, 2, 2, 5, 5, 0, 0});
  check_both({2, 2, 7, 7, 3, 2, 3, 4, 6, 1, 2, 3, 9});
  check_both({2, 3, 4, 5, 4, 1, 1, 1, 1, 0, 0, 2, 2, 1, -1});  // elements that a transposed convolution pads with
}

TEST(Conv, RandomGeometries) {
  std::mt19937 rng(11);
  const auto pick = [&](int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng); };
  for (int i = 0; i < 150; ++i) {
    Case t{pick(1, 3), 0,          pick(1, 20), pick(1, 40), 0,          pick(1, 5), pick(1, 5), pick(1, 4),
           pick(1, 4), pick(0, 5), pick(0, 5),  pick(1, 3),  pick(1, 3), pick(1, 3), pick(0, 1)};
    t.c = t.groups * pick(1, 20);
    t.oc = t.groups * pick(1, 20);
    const Conv2d g = geometry<float>(t);
    if (t.h + 2 * t.pad_h + t.more_pad <= t.dilation_h * (t.kh - 1) ||
        t.w + 2 * t.pad_w + t.more_pad <= t.dilation_w * (t.kw - 1))
      continue;
    if (g.oh <= 0 || g.ow <= 0) continue;
    check<float>(t);
  }
}

TEST(Conv, SameBitsForAnyThreads) {
  const Case cases[] = {{64, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2},   {33, 6, 14, 14, 16, 5, 5},
                        {9, 32, 20, 20, 40, 3, 3, 2, 2, 1, 1},  {1, 80, 28, 28, 72, 3, 3, 1, 1, 1, 1},
                        {3, 160, 14, 14, 40, 3, 3, 1, 1, 1, 1}, {4, 16, 30, 30, 16, 3, 3, 1, 1, 1, 1, 1, 1, 16},
                        {2, 512, 7, 7, 96, 3, 3, 2, 2, 1, 1}};
  std::vector<Case> all(std::begin(cases), std::end(cases));
  for (const int tile : {2, 4}) {
    Case tiles{1, 80, 28, 28, 72, 3, 3, 1, 1, 1, 1}, planes{20, 40, 7, 7, 33, 3, 3, 1, 1, 1, 1};
    tiles.winograd = planes.winograd = tile;
    all.push_back(tiles);
    all.push_back(planes);
  }
  for (size_t i = 0, n = all.size(); i < n; ++i) {
    all.push_back(all[i]);
    all.back().channels_last = true;
  }
  const int threads = dlcore::get_num_threads();
  for (const Case& t : all) {
    Buffers<float> b(t);
    for (const std::string& tier : dlcore::available_tiers()) {
      std::vector<std::vector<float>> first;
      for (int n : {1, 3, 2, 7}) {
        if (kSanitized && n != 1 && n != 3) continue;
        dlcore::set_num_threads(n);
        b.forget();
        b.run(dlcore::kernels(tier));
        if (n == 1) first = b.results();
        EXPECT_EQ(b.results(), first) << n << " threads, " << tier << ", " << text(t);
      }
    }
  }
  dlcore::set_num_threads(threads);
}

// An output sees only its own window.
TEST(Conv, NaNStaysInItsWindow) {
  Buffers<float> b({1, 2, 12, 12, 3, 3, 3, 1, 1, 1, 1});
  b.x[5 * 12 + 6] = NAN;
  for (const std::string& tier : dlcore::available_tiers()) {
    b.forget();
    b.run(dlcore::kernels(tier));
    for (int64_t i = 0; i < b.y.size(); ++i) {
      const int64_t row = i / 12 % 12, col = i % 12;
      EXPECT_EQ(std::isnan(b.y[i]), std::abs(row - 5) <= 1 && std::abs(col - 6) <= 1) << tier << " " << i;
    }
  }
}

}  // namespace
