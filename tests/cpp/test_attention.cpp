#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "guarded.h"
#include "kernels/ref/attention.h"
#include "kernels/registry.h"

namespace {

using dlcore::kernel::Attention;
using dlcore::kernel::AttentionBackward;
using dlcore::kernel::AttentionMatrices;
using dlcore::kernel::AttentionRun;
using dlcore::kernel::kAttentionBlock;
using dlcore::test::Guarded;
using dlcore::test::Scratch;

using TakesPart = bool (*)(int64_t query, int64_t key);
constexpr TakesPart kAll = [](int64_t, int64_t) { return true; };
constexpr TakesPart kCausal = [](int64_t i, int64_t j) { return j <= i; };
constexpr TakesPart kWindow = [](int64_t i, int64_t j) { return j <= i && j > i - 40; };
// Blocks that are far apart, single pairs in others, and queries with no keys at all.
constexpr TakesPart kScattered = [](int64_t i, int64_t j) {
  return i % 7 != 3 && (j / kAttentionBlock == 0 || j / kAttentionBlock == 3 || (i + j) % 50 == 1);
};

// The blocks of a rule, found by looking at every pair.
struct Blocks {
  std::vector<int64_t> row_start{0}, column_start{0};
  std::vector<AttentionRun> rows, columns;
  std::vector<uint64_t> tiles;

  Blocks(int64_t queries, int64_t keys, TakesPart takes_part) {
    const auto count = [](int64_t n) { return (n + kAttentionBlock - 1) / kAttentionBlock; };
    const int64_t height = count(queries), width = count(keys);
    std::vector<int32_t> tile(static_cast<size_t>(height * width));  // -1: all pairs; -2: none
    for (int64_t r = 0; r < height; ++r)
      for (int64_t c = 0; c < width; ++c) {
        std::vector<uint64_t> bits(kAttentionBlock, 0);
        bool all = true, any = false;
        for (int64_t i = r * kAttentionBlock; i < std::min(queries, (r + 1) * kAttentionBlock); ++i)
          for (int64_t j = c * kAttentionBlock; j < std::min(keys, (c + 1) * kAttentionBlock); ++j) {
            const bool takes = takes_part(i, j);
            all &= takes, any |= takes;
            bits[static_cast<size_t>(i % kAttentionBlock)] |= uint64_t{takes} << (j % kAttentionBlock);
          }
        int32_t& t = tile[static_cast<size_t>(r * width + c)];
        t = all ? -1 : any ? static_cast<int32_t>(tiles.size()) / static_cast<int32_t>(kAttentionBlock) : -2;
        if (t >= 0) tiles.insert(tiles.end(), bits.begin(), bits.end());
      }
    const auto list = [&](int64_t lines, int64_t length, int64_t line_step, int64_t step, auto& start, auto& runs) {
      for (int64_t l = 0; l < lines; ++l) {
        for (int64_t b = 0; b < length; ++b) {
          const int32_t t = tile[static_cast<size_t>(l * line_step + b * step)];
          if (t > -2) runs.push_back({static_cast<int32_t>(b), 1, t});
        }
        start.push_back(static_cast<int64_t>(runs.size()));
      }
    };
    list(height, width, width, 1, row_start, rows);
    list(width, height, 1, width, column_start, columns);
  }
};

enum class Mask { None, Added, Boolean };

struct Shape {
  int64_t shared, group, queries, keys, depth, width;
};

// Matrices with gaps between rows, all in one guarded array.
template <class T>
struct Array {
  int64_t planes, rows, columns, row;
  Guarded<T> data;
  std::vector<int64_t> places;

  Array(int64_t planes, int64_t rows, int64_t columns, int64_t gap)
      : planes(planes),
        rows(rows),
        columns(columns),
        row(columns + gap),
        data(std::max<int64_t>(1, planes * rows * row - gap)) {
    for (int64_t p = 0; p < planes; ++p) places.push_back(p * rows * row);
  }
  AttentionMatrices get() { return {data.data(), places.data(), row}; }
  T& at(int64_t p, int64_t i, int64_t j) { return data[places[static_cast<size_t>(p)] + i * row + j]; }
};

template <class T>
struct Call {
  Array<T> q, k, v, y, dy, dq, dk, dv;
  Guarded<T> softmax, mask, dmask;
  Guarded<uint8_t> boolean;
  std::vector<int64_t> mask_places;
  Attention a{};
  AttentionBackward b{};

  Call(const Shape& s, dlcore::DType dtype, Mask kind, const Blocks& blocks)
      : q(s.shared * s.group, s.queries, s.depth, 3),
        k(s.shared, s.keys, s.depth, 1),
        v(s.shared, s.keys, s.width, 0),
        y(s.shared * s.group, s.queries, s.width, 2),
        dy(s.shared * s.group, s.queries, s.width, 0),
        dq(s.shared * s.group, s.queries, s.depth, 0),
        dk(s.shared, s.keys, s.depth, 5),
        dv(s.shared, s.keys, s.width, 0),
        softmax(2 * s.shared * s.group * s.queries),
        mask(s.queries * s.keys),
        dmask(s.shared * s.group * s.queries * s.keys),
        boolean(s.queries * s.keys),
        mask_places(static_cast<size_t>(s.shared * s.group), 0) {
    int64_t seed = 0;
    const auto fill = [&](Array<T>& x) {
      for (int64_t p = 0; p < x.planes; ++p)
        for (int64_t i = 0; i < x.rows; ++i)
          for (int64_t j = 0; j < x.columns; ++j, ++seed)
            x.at(p, i, j) = static_cast<T>(static_cast<float>(std::sin(static_cast<double>(seed * seed % 1009))));
    };
    fill(q), fill(k), fill(v), fill(dy);
    for (int64_t i = 0; i < s.queries * s.keys; ++i) {
      mask[i] = i % 11 == 5 ? -std::numeric_limits<T>::infinity() : static_cast<T>(i % 8) / 4;
      boolean[i] = i % 3 != 1;
    }
    a.dtype = dtype;
    a.planes = s.shared * s.group, a.group = s.group, a.queries = s.queries, a.keys = s.keys;
    a.depth = s.depth, a.width = s.width, a.scale = 0.5;
    a.q = q.get(), a.k = k.get(), a.v = v.get(), a.y = y.get(), a.softmax = softmax.data();
    a.blocks = {blocks.row_start.data(),
                blocks.column_start.data(),
                blocks.rows.data(),
                blocks.columns.data(),
                reinterpret_cast<const uint64_t (*)[kAttentionBlock]>(blocks.tiles.data()),
                nullptr};
    if (kind == Mask::Added) a.mask = {mask.data(), false, mask_places.data(), s.keys, 1};
    if (kind == Mask::Boolean) a.mask = {boolean.data(), true, mask_places.data(), s.keys, 1};
    b = {dy.get(), dq.get(), dk.get(), dv.get(), dmask.data()};
  }
};

template <class T>
void compare(const char* what, Array<T>& got, Array<double>& want, double bound) {
  for (int64_t p = 0; p < got.planes; ++p)
    for (int64_t i = 0; i < got.rows; ++i)
      for (int64_t j = 0; j < got.columns; ++j)
        ASSERT_NEAR(got.at(p, i, j), want.at(p, i, j), bound) << what << " " << p << " " << i << " " << j;
}

template <class T>
void run(const std::string& tier, dlcore::DType dtype, const Shape& s, TakesPart takes_part, Mask kind) {
  const dlcore::KernelTable& table = dlcore::kernels(tier);
  const Blocks blocks(s.queries, s.keys, takes_part);
  Call<T> got(s, dtype, kind, blocks);
  Call<double> want(s, dlcore::DType::Float64, kind, blocks);
  {
    Scratch scratch(table.attention_workspace(got.a, false));
    table.attention_forward(got.a, scratch.data());
  }
  {
    Scratch scratch(table.attention_workspace(got.a, true));
    table.attention_backward(got.a, got.b, scratch.data());
  }
  dlcore::kernel::ref::attention_forward(want.a, takes_part);
  dlcore::kernel::ref::attention_backward(want.a, want.b, takes_part);
  // Products of numbers up to 1: an exponent has depth of them, dp has width, and gradients sum over queries and keys.
  const double eps = std::numeric_limits<T>::epsilon();
  const double each = eps * static_cast<double>(s.depth + s.width + 8), size = static_cast<double>(s.width);
  compare("y", got.y, want.y, 4 * each);
  {
    got.a.softmax = nullptr;
    Scratch scratch(table.attention_workspace(got.a, false));
    table.attention_forward(got.a, scratch.data());
    compare("y without softmax", got.y, want.y, 4 * each);
  }
  compare("dv", got.dv, want.dv, 4 * each * static_cast<double>(s.queries * s.group));
  compare("dq", got.dq, want.dq, 4 * each * size);
  compare("dk", got.dk, want.dk, 4 * each * size * static_cast<double>(s.queries * s.group));
  for (int64_t i = 0; i < got.dmask.size(); ++i)
    ASSERT_NEAR(got.dmask[i], want.dmask[i], 4 * each * size) << "dmask " << i;
}

constexpr Shape kShapes[] = {
    {1, 1, 1, 1, 1, 1},    {2, 1, 5, 9, 3, 4},     {1, 1, 64, 64, 16, 16},  {1, 2, 65, 63, 17, 33},
    {2, 3, 100, 7, 8, 5},  {1, 1, 7, 300, 32, 15}, {1, 1, 200, 330, 5, 8},  {40, 1, 9, 70, 4, 3},
    {33, 2, 66, 3, 2, 31}, {2, 2, 3, 150, 70, 65}, {40, 1, 1, 90, 16, 130},
};

void every_shape(TakesPart takes_part, Mask mask) {
  for (const std::string& tier : dlcore::available_tiers())
    for (const Shape& s : kShapes) {
      SCOPED_TRACE(testing::Message() << tier << ": " << s.shared << " x " << s.group << " planes, " << s.queries
                                      << " x " << s.keys << ", " << s.depth << ", " << s.width);
      run<float>(tier, dlcore::DType::Float32, s, takes_part, mask);
      run<double>(tier, dlcore::DType::Float64, s, takes_part, mask);
      if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Attention, Dense) { every_shape(kAll, Mask::None); }
TEST(Attention, Causal) { every_shape(kCausal, Mask::None); }
TEST(Attention, Window) { every_shape(kWindow, Mask::None); }
TEST(Attention, Scattered) { every_shape(kScattered, Mask::None); }
TEST(Attention, AddedMask) { every_shape(kScattered, Mask::Added); }
TEST(Attention, BooleanMask) { every_shape(kAll, Mask::Boolean); }

}  // namespace
