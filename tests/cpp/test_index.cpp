// The index, mask and sort kernels of every tier against plain loops, and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "dlcore/parallel.h"
#include "kernels/registry.h"

namespace dlcore {
namespace {

using kernel::Indexed;
using kernel::IndexTensor;
using kernel::IndexWrite;

class Kernels : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& table() const { return kernels(GetParam()); }
  std::mt19937 rng{7};
  int64_t uniform(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(rng); }
  std::vector<float> floats(int64_t n) {
    std::vector<float> v(static_cast<size_t>(n));
    for (float& x : v) x = std::normal_distribution<float>()(rng);
    return v;
  }
};

// x (outer, size, inner) by an index (count): the space (outer, count, inner).
struct Rows {
  int64_t sizes[3], x_strides[3], y_strides[3], index_strides[3] = {0, 1, 0};
  IndexTensor index;
  Indexed space;
  Rows(int64_t outer, int64_t size, int64_t inner, const std::vector<int64_t>& at)
      : sizes{outer, static_cast<int64_t>(at.size()), inner},
        x_strides{size * inner, 0, 1},
        y_strides{static_cast<int64_t>(at.size()) * inner, inner, 1},
        index{at.data(), DType::Int64, index_strides, size, inner} {
    space.ndim = 3;
    space.sizes = sizes;
    space.x_strides = x_strides;
    space.y_strides = y_strides;
    space.indices = 1;
    space.index = &index;
  }
  Rows(const Rows&) = delete;
};

const int64_t kShapes[][4] = {{1, 5, 1, 3},   {1, 100, 1, 70000}, {3, 7, 1, 40},  {1, 9, 33, 3000},
                              {2, 6, 17, 11}, {1, 1, 1, 1},       {40, 3, 5, 600}};

TEST_P(Kernels, ReadsWhatALoopReads) {
  for (const auto& [outer, size, inner, count] : kShapes) {
    std::vector<int64_t> at(static_cast<size_t>(count));
    for (int64_t& i : at) i = uniform(-size, size - 1);
    Rows r(outer, size, inner, at);
    r.space.negative = true;
    const auto x = floats(outer * size * inner);
    std::vector<float> y(static_cast<size_t>(outer * count * inner), -1);
    ASSERT_TRUE(table().index_read(r.space, 4, x.data(), y.data()));
    for (int64_t o = 0, k = 0; o < outer; ++o)
      for (int64_t i : at)
        for (int64_t j = 0; j < inner; ++j, ++k)
          ASSERT_EQ(y[static_cast<size_t>(k)], x[static_cast<size_t>((o * size + (i < 0 ? i + size : i)) * inner + j)]);
  }
}

TEST_P(Kernels, WritesInOrderOfTheIndexForAnyThreads) {
  const int before = get_num_threads();
  for (const auto& [outer, size, inner, count] : kShapes) {
    std::vector<int64_t> at(static_cast<size_t>(count));
    for (int64_t& i : at) i = uniform(0, size - 1);
    const Rows r(outer, size, inner, at);
    const auto start = floats(outer * size * inner), y = floats(outer * count * inner);
    for (IndexWrite how : {IndexWrite::Copy, IndexWrite::Add, IndexWrite::Multiply, IndexWrite::Min, IndexWrite::Max}) {
      auto want = start;
      for (int64_t o = 0, k = 0; o < outer; ++o)
        for (int64_t i : at)
          for (int64_t j = 0; j < inner; ++j, ++k) {
            float& to = want[static_cast<size_t>((o * size + i) * inner + j)];
            const float v = y[static_cast<size_t>(k)];
            to = how == IndexWrite::Copy       ? v
                 : how == IndexWrite::Add      ? to + v
                 : how == IndexWrite::Multiply ? to * v
                 : how == IndexWrite::Min      ? std::min(to, v)
                                               : std::max(to, v);
          }
      for (int threads : {1, 2, 3, 7}) {
        set_num_threads(threads);
        auto x = start;
        ASSERT_TRUE(table().index_write(r.space, how, DType::Float32, x.data(), y.data()));
        ASSERT_EQ(x, want) << "threads " << threads;
      }
    }
  }
  set_num_threads(before);
}

TEST_P(Kernels, RefusesIndicesOutOfRange) {
  for (int64_t bad : {int64_t{5}, int64_t{-6}, INT64_MAX, INT64_MIN})
    for (size_t place : {size_t{0}, size_t{599}, size_t{29999}}) {
      std::vector<int64_t> at(30000, 1);
      at[place] = bad;
      Rows r(1, 5, 1, at);
      r.space.negative = true;
      std::vector<float> x(5), y(at.size());
      EXPECT_FALSE(table().index_read(r.space, 4, x.data(), y.data()));
      EXPECT_FALSE(table().index_write(r.space, IndexWrite::Add, DType::Float32, x.data(), y.data()));
    }
}

TEST_P(Kernels, MasksNameTheirElements) {
  for (int64_t n : {int64_t{1}, int64_t{63}, int64_t{256}, int64_t{257}, int64_t{100001}}) {
    std::vector<uint8_t> mask(static_cast<size_t>(n));
    for (uint8_t& m : mask) m = static_cast<uint8_t>(uniform(0, 1));
    const int64_t chunk = 1000, chunks = (n + chunk - 1) / chunk;
    std::vector<int64_t> first(static_cast<size_t>(chunks)), positions;
    table().mask_count(mask.data(), n, chunk, first.data());
    int64_t named = 0;
    for (int64_t& f : first) named += std::exchange(f, named);
    for (int64_t i = 0; i < n; ++i)
      if (mask[static_cast<size_t>(i)]) positions.push_back(i);
    ASSERT_EQ(named, static_cast<int64_t>(positions.size()));
    const kernel::Masked m{mask.data(), n, chunk, first.data(), named};
    const auto x = floats(n);
    std::vector<float> y(static_cast<size_t>(named)), back(x.size(), 0), want(x.size(), 0);
    table().masked_select(m, 4, x.data(), y.data());
    table().masked_scatter(m, 4, back.data(), y.data());
    for (size_t k = 0; k < positions.size(); ++k) {
      ASSERT_EQ(y[k], x[static_cast<size_t>(positions[k])]);
      want[static_cast<size_t>(positions[k])] = y[k];
    }
    ASSERT_EQ(back, want);
    std::vector<int64_t> at(static_cast<size_t>(named));
    table().mask_coordinates(m, 1, &n, at.data());
    ASSERT_EQ(at, positions);
  }
}

TEST_P(Kernels, SortIsStable) {
  const int before = get_num_threads();
  for (int64_t n : {1, 2, 64, 65, 2048, 2049, 140000})
    for (bool descending : {false, true}) {
      std::vector<int64_t> x(static_cast<size_t>(n)), want(x.size());
      for (int64_t& v : x) v = uniform(-20, 20) * (int64_t{1} << uniform(0, 1) * 40);
      std::iota(want.begin(), want.end(), 0);
      std::stable_sort(want.begin(), want.end(), [&](int64_t a, int64_t b) {
        const int64_t p = x[static_cast<size_t>(a)], q = x[static_cast<size_t>(b)];
        return descending ? p > q : p < q;
      });
      for (int threads : {1, 2, 3, 7}) {
        set_num_threads(threads);
        const kernel::Sort s{DType::Int64, 1, n, descending};
        std::vector<int64_t> y(x.size()), index(x.size());
        std::vector<uint64_t> scratch(static_cast<size_t>(table().sort_workspace(s)) / 8 + 1);
        table().sort(s, x.data(), y.data(), index.data(), scratch.data());
        ASSERT_EQ(index, want) << "n " << n << " threads " << threads;
        for (size_t j = 0; j < y.size(); ++j) ASSERT_EQ(y[j], x[static_cast<size_t>(want[j])]);
      }
    }
  set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Tiers, Kernels, testing::ValuesIn(available_tiers()),
                         [](const auto& tier) { return tier.param; });

}  // namespace
}  // namespace dlcore
