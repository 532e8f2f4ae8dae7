// The matrix engine against the naive sum, on every tier: |error| <= c (K + 3) eps (|alpha| |A| |B| + |beta C| +
// |bias|).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/ref/gemm.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::KernelTable;
using dlcore::kernel::Activation;
using dlcore::kernel::Gemm;
using dlcore::kernel::GemmBatch;
using dlcore::test::Guarded;
using dlcore::test::Scratch;

template <class T>
constexpr DType dtype_of = sizeof(T) == 8 ? DType::Float64 : DType::Float32;

// How an operand of rows x cols lies in memory.
enum class Layout { Row, Col, RowPadded, ColPadded, Spread, Reversed, Expanded };
const Layout kLayouts[] = {Layout::Row,    Layout::Col,      Layout::RowPadded, Layout::ColPadded,
                           Layout::Spread, Layout::Reversed, Layout::Expanded};

struct Strides {
  int64_t row, col, size, origin;  // of one block: elements it spans, and where its element (0, 0) is
};
Strides strides(Layout layout, int64_t rows, int64_t cols) {
  const int64_t r = std::max<int64_t>(rows, 1), c = std::max<int64_t>(cols, 1);
  switch (layout) {
    case Layout::Row:
      return {c, 1, r * c, 0};
    case Layout::Col:
      return {1, r, r * c, 0};
    case Layout::RowPadded:
      return {c + 3, 1, (r - 1) * (c + 3) + c, 0};
    case Layout::ColPadded:
      return {1, r + 5, (c - 1) * (r + 5) + r, 0};
    case Layout::Spread:
      return {3 * c, 3, (r - 1) * 3 * c + (c - 1) * 3 + 1, 0};
    case Layout::Reversed:
      return {-c, -1, r * c, r * c - 1};
    case Layout::Expanded:
      return {0, 1, c, 0};
  }
  return {};
}

struct Case {
  int64_t m, n, k;
  Layout a = Layout::Row, b = Layout::Row, c = Layout::Row;
  int64_t reduce = 1, batch = 1;
  bool offsets = false;
  double alpha = 1, beta = 0;
  int bias = 0;  // 0 none, 1 per column, 2 per row
  Activation activation = Activation::None;
  bool pack_a = false, pack_b = false;
  bool share_b = false;
};

std::string text(const Case& x) {
  std::ostringstream s;
  s << "m " << x.m << " n " << x.n << " k " << x.k << " layouts " << int(x.a) << int(x.b) << int(x.c) << " reduce "
    << x.reduce << " batch " << x.batch << " offsets " << x.offsets << " alpha " << x.alpha << " beta " << x.beta
    << " bias " << x.bias << " act " << int(x.activation) << " packed " << x.pack_a << x.pack_b << " shared "
    << x.share_b;
  return s.str();
}

template <class T>
struct Operand {
  Strides s;
  int64_t step, batch;
  std::vector<int64_t> offsets;
  Guarded<T> data;

  Operand(Layout layout, int64_t rows, int64_t cols, int64_t reduce, int64_t batches, bool share)
      : s(strides(layout, rows, cols)),
        step(s.size),
        batch(share ? 0 : s.size * reduce),
        data(s.size * reduce * (share ? 1 : batches)) {
    for (int64_t r = 0; r < reduce; ++r) offsets.push_back((reduce - 1 - r) * step);  // back to front
  }
  void fill(std::mt19937& rng) {
    std::uniform_real_distribution<double> u(-1, 1);
    for (int64_t i = 0; i < data.size(); ++i) data[i] = static_cast<T>(u(rng));
  }
  T* origin() { return data.data() + s.origin; }
};

// Builds the case, runs it on `table` and returns C's memory. `reference` and `bound` get the naive result and the sum
// of magnitudes that an error is measured by.
template <class T>
std::vector<T> run(const KernelTable& table, const Case& x, std::vector<T>* reference = nullptr,
                   std::vector<T>* bound = nullptr) {
  std::mt19937 rng(7);
  Operand<T> a(x.a, x.m, x.k, x.reduce, x.batch, false), b(x.b, x.k, x.n, x.reduce, x.batch, x.share_b);
  Operand<T> c(x.c, x.m, x.n, 1, x.batch, false);
  a.fill(rng);
  b.fill(rng);
  c.fill(rng);
  Guarded<T> bias(x.bias == 2 ? x.m : x.n);
  for (int64_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<T>(i % 5 - 2);
  if (x.beta == 0)
    for (int64_t i = 0; i < c.data.size(); ++i) c.data[i] = std::numeric_limits<T>::quiet_NaN();

  GemmBatch g{};
  g.first = {dtype_of<T>, x.m,     x.n,     x.k,        a.origin(), a.s.row, a.s.col,
             b.origin(),  b.s.row, b.s.col, c.origin(), c.s.row,    c.s.col};
  g.first.reduce = x.reduce;
  g.first.a_step = a.step, g.first.b_step = b.step;
  if (x.offsets) g.first.a_offsets = a.offsets.data(), g.first.b_offsets = b.offsets.data();
  g.first.alpha = x.alpha, g.first.beta = x.beta;
  if (x.bias) g.first.bias = bias.data();
  g.first.bias_per_row = x.bias == 2;
  g.first.activation = x.activation;
  g.batch = x.batch, g.a_batch = a.batch, g.b_batch = b.batch, g.c_batch = c.batch;

  const std::vector<T> before(c.data.data(), c.data.data() + c.data.size());
  if (reference) {
    dlcore::kernel::ref::gemm(g);
    reference->assign(c.data.data(), c.data.data() + c.data.size());
  }
  if (bound) {
    Operand<T> pa(x.a, x.m, x.k, x.reduce, x.batch, false), pb(x.b, x.k, x.n, x.reduce, x.batch, x.share_b);
    for (int64_t i = 0; i < a.data.size(); ++i) pa.data[i] = std::abs(a.data[i]);
    for (int64_t i = 0; i < b.data.size(); ++i) pb.data[i] = std::abs(b.data[i]);
    for (int64_t i = 0; i < c.data.size(); ++i) c.data[i] = std::abs(before[i]);
    Guarded<T> pbias(bias.size());
    for (int64_t i = 0; i < bias.size(); ++i) pbias[i] = std::abs(bias[i]);
    GemmBatch h = g;
    h.first.a = pa.origin(), h.first.b = pb.origin(), h.first.alpha = std::abs(x.alpha),
    h.first.beta = std::abs(x.beta);
    if (x.bias) h.first.bias = pbias.data();
    h.first.activation = Activation::None;
    dlcore::kernel::ref::gemm(h);
    bound->assign(c.data.data(), c.data.data() + c.data.size());
  }
  std::copy(before.begin(), before.end(), c.data.data());

  const auto packed = [&](bool is_a) {
    const Gemm& f = g.first;
    const int64_t size = is_a ? table.gemm_packed_a_size(f) : table.gemm_packed_b_size(f);
    const int64_t count = is_a || !x.share_b ? x.batch : 1;
    auto memory = std::make_unique<Scratch>(size * count);
    for (int64_t l = 0; l < count; ++l) {
      Gemm one = f;
      one.a = static_cast<const T*>(f.a) + l * g.a_batch;
      one.b = static_cast<const T*>(f.b) + l * g.b_batch;
      (is_a ? table.gemm_pack_a : table.gemm_pack_b)(one, static_cast<char*>(memory->data()) + l * size);
    }
    return std::pair(std::move(memory), size / static_cast<int64_t>(sizeof(T)));
  };
  std::unique_ptr<Scratch> packed_a, packed_b;
  int64_t a_items = g.a_batch, b_items = g.b_batch;
  if (x.pack_a) std::tie(packed_a, a_items) = packed(true);
  if (x.pack_b) std::tie(packed_b, b_items) = packed(false);
  if (x.pack_a) g.first.a = packed_a->data(), g.first.a_packed = true, g.a_batch = a_items;
  if (x.pack_b) g.first.b = packed_b->data(), g.first.b_packed = true, g.b_batch = x.share_b ? 0 : b_items;

  Scratch workspace(table.gemm_workspace(g));
  table.gemm(g, workspace.data());
  return {c.data.data(), c.data.data() + c.data.size()};
}

template <class T>
void check(const Case& x) {
  std::vector<T> want, bound;
  for (const std::string& tier : dlcore::available_tiers()) {
    const bool first = want.empty();
    const std::vector<T> got = run<T>(dlcore::kernels(tier), x, first ? &want : nullptr, first ? &bound : nullptr);
    const double eps = std::numeric_limits<T>::epsilon();
    int64_t bad = 0;
    for (size_t i = 0; i < got.size() && bad < 3; ++i) {
      if (std::isnan(want[i]) && std::isnan(got[i])) continue;  // between C's elements: untouched
      const double limit = (static_cast<double>(x.k * x.reduce) + 3) * eps * bound[i];
      if (std::abs(static_cast<double>(got[i]) - want[i]) <= limit) continue;
      ADD_FAILURE() << tier << (sizeof(T) == 8 ? " float64 " : " float32 ") << text(x) << ": element " << i << " is "
                    << got[i] << ", expected " << want[i] << " +- " << limit;
      ++bad;
    }
  }
}

void check_both(const Case& x) {
  check<float>(x);
  check<double>(x);
}

TEST(Gemm, SmallSizes) {
  const int64_t sizes[] = {1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 31, 32, 33, 48, 65};
  for (int64_t m : sizes)
    for (int64_t n : sizes)
      for (int64_t k : {1, 4, 17, 40}) check_both({m, n, k});
}

TEST(Gemm, EveryLayout) {
  for (Layout a : kLayouts)
    for (Layout b : kLayouts)
      for (Layout c : kLayouts) {
        if (c == Layout::Expanded) continue;  // outputs must not overlap
        check_both({19, 37, 23, a, b, c});
        check_both({1, 37, 23, a, b, c});
        check_both({37, 1, 23, a, b, c});
        check_both({4, 3, 150, a, b, c});
      }
}

TEST(Gemm, Epilogues) {
  for (double alpha : {1.0, -0.5})
    for (double beta : {0.0, 1.0, 2.5})
      for (int bias : {0, 1, 2})
        for (Activation act : {Activation::None, Activation::Relu, Activation::Relu6})
          for (Layout c : {Layout::Row, Layout::Col, Layout::Spread})
            for (int64_t k : {9, 600})
              for (int64_t n : {33, 1}) {
                Case x{17, n, k, Layout::Row, Layout::Col, c};
                x.alpha = alpha, x.beta = beta, x.bias = bias, x.activation = act;
                check_both(x);
              }
}

TEST(Gemm, NothingToSum) {
  for (int64_t m : {0, 5})
    for (int64_t n : {0, 37})
      for (int64_t k : {0, 3})
        for (int64_t reduce : {0, 2})
          for (double beta : {0.0, 2.0}) {
            Case x{m, n, k};
            x.reduce = reduce, x.beta = beta, x.bias = 1, x.activation = Activation::Relu;
            if (reduce > 0) check_both(x);
          }
}

TEST(Gemm, SumsOfBlocks) {
  for (int64_t reduce : {2, 9})
    for (int64_t k : {1, 5, 64, 300})
      for (bool offsets : {false, true})
        for (Layout a : {Layout::Row, Layout::Col, Layout::Spread})
          for (Layout b : {Layout::Row, Layout::Col})
            for (int64_t m : {3, 40}) {
              Case x{m, 50, k, a, b};
              x.reduce = reduce, x.offsets = offsets, x.bias = 1, x.beta = 1;
              check<float>(x);
            }
}

TEST(Gemm, Batches) {
  for (int64_t batch : {2, 7, 100})
    for (bool share : {false, true})
      for (Layout a : {Layout::Row, Layout::Col})
        for (Layout b : {Layout::Row, Layout::Col})
          for (int64_t m : {1, 16, 33}) {
            Case x{m, 20, 24, a, b};
            x.batch = batch, x.share_b = share, x.bias = 2;
            check_both(x);
          }
}

TEST(Gemm, Prepacked) {
  for (Layout a : {Layout::Row, Layout::Col, Layout::Spread})
    for (Layout b : {Layout::Row, Layout::Col, Layout::Spread})
      for (Layout c : {Layout::Row, Layout::Col, Layout::Spread})
        for (int packed : {1, 2, 3})
          for (int64_t m : {1, 5, 61})
            for (int64_t reduce : {1, 3}) {
              Case x{m, 70, 40, a, b, c};
              x.reduce = reduce, x.pack_a = packed & 1, x.pack_b = packed & 2;
              x.batch = 1 + (m == 5), x.share_b = true;
              check_both(x);
            }
}

const Case kLarge[] = {{300, 310, 520}, {511, 65, 1030, Layout::Col, Layout::Col},
                       {2000, 64, 64},  {64, 2000, 64},
                       {64, 64, 9000},  {65, 33, 20000, Layout::Col, Layout::Col},
                       {1, 3000, 400},  {1, 400, 3000, Layout::Row, Layout::Col},
                       {3000, 1, 400},  {400, 1, 3000, Layout::Col},
                       {1, 1, 50000},   {257, 255, 256, Layout::Row, Layout::Row, Layout::Col},
                       {3, 700, 800},   {700, 5, 800, Layout::Row, Layout::Col},
                       {1024, 40, 1024}};

TEST(Gemm, LargeSizes) {
  for (const Case& x : kLarge) check_both(x);
}

TEST(Gemm, SameBitsForAnyThreads) {
  const int before = dlcore::get_num_threads();
  std::vector<Case> cases(std::begin(kLarge), std::end(kLarge));
  Case batched{60, 50, 70};
  batched.batch = 37;
  cases.push_back(batched);
  for (const std::string& tier : dlcore::available_tiers())
    for (const Case& x : cases) {
      dlcore::set_num_threads(1);
      const std::vector<float> one = run<float>(dlcore::kernels(tier), x);
      for (int threads : {2, 3, 7}) {
        dlcore::set_num_threads(threads);
        const std::vector<float> many = run<float>(dlcore::kernels(tier), x);
        EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)), 0)
            << tier << " " << threads << " threads, " << text(x);
      }
    }
  dlcore::set_num_threads(before);
}

TEST(Gemm, KeepsNaNAndInfinity) {
  for (const std::string& tier : dlcore::available_tiers()) {
    const float inf = std::numeric_limits<float>::infinity();
    const float a[] = {1, inf, NAN, 0}, b[] = {1, 1, 0, inf};
    float c[4] = {NAN, NAN, NAN, NAN};
    GemmBatch g{};
    g.first = {DType::Float32, 2, 2, 2, a, 2, 1, b, 2, 1, c, 2, 1};
    for (const auto& [act, most] : {std::pair(Activation::Relu, inf), std::pair(Activation::Relu6, 6.0f)}) {
      g.first.activation = act;
      Scratch workspace(dlcore::kernels(tier).gemm_workspace(g));
      dlcore::kernels(tier).gemm(g, workspace.data());
      EXPECT_TRUE(std::isnan(c[0]) && c[1] == most && std::isnan(c[2]) && std::isnan(c[3]))
          << tier << " " << c[0] << " " << c[1] << " " << c[2] << " " << c[3];
    }
  }
}

}  // namespace
