#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <set>
#include <thread>
#include <vector>

#include "core/allocator.h"
#include "core/check.h"
#include "core/dims.h"
#include "core/half.h"
#include "core/parallel.h"
#include "core/parallel_steps.h"
#include "core/philox.h"
#include "core/tensor_impl.h"
#include "dlcore/dlcore.h"
#include "dlcore/random.h"

namespace dlcore {
namespace {

TEST(Dims, GrowsBeyondItsInlinePart) {
  Dims d;
  for (int64_t i = 0; i < kMaxDims; ++i) d.push_back(i);
  EXPECT_THROW(d.push_back(0), ValueError);
  Dims copy = d, moved = std::move(d);
  EXPECT_EQ(copy, moved);
  EXPECT_EQ(moved[63], 63);
  moved.erase(0);
  moved.insert(1, -5);
  EXPECT_EQ(moved[0], 1);
  EXPECT_EQ(moved[1], -5);
  EXPECT_EQ(moved[2], 2);
  copy = Dims{1, 2};
  EXPECT_EQ(copy.size(), 2);
}

TEST(Dims, NumelChecksOverflow) {
  EXPECT_EQ(checked_numel("t", {2, 3, 4}), 24);
  EXPECT_EQ(checked_numel("t", {}), 1);
  EXPECT_EQ(checked_numel("t", {int64_t{1} << 62, 0, int64_t{1} << 62}), 0);
  EXPECT_THROW(checked_numel("t", {int64_t{1} << 40, int64_t{1} << 40}), RuntimeError);
  EXPECT_THROW(checked_numel("t", {int64_t{1} << 61}), RuntimeError);
  EXPECT_THROW(checked_numel("t", {2, -1}), RuntimeError);
}

TEST(Dims, Broadcast) {
  EXPECT_EQ(broadcast_shapes("t", {3, 1}, {4}), (Dims{3, 4}));
  EXPECT_EQ(broadcast_shapes("t", {}, {2}), Dims{2});
  EXPECT_EQ(broadcast_shapes("t", {0, 1}, {1, 5}), (Dims{0, 5}));
  try {
    broadcast_shapes("add", {2, 3}, {2, 4});
    FAIL();
  } catch (const RuntimeError& e) {
    EXPECT_NE(std::string(e.what()).find("add: shapes (2, 3) and (2, 4)"), std::string::npos) << e.what();
  }
}

TEST(Half, EveryFloat16) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const auto bits = static_cast<uint16_t>(h);
    _Float16 f;
    std::memcpy(&f, &bits, 2);
    const float want = static_cast<float>(f), got = fp16_to_float(bits);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << h;
      continue;
    }
    EXPECT_EQ(got, want) << h;
    EXPECT_EQ(std::signbit(got), std::signbit(want));
    EXPECT_EQ(float_to_fp16(got), bits) << h;
  }
}

TEST(Half, RoundsToNearestEven) {
  uint32_t state = 1;
  for (int i = 0; i < 2'000'000; ++i) {
    state = state * 1664525u + 1013904223u;
    float x;
    std::memcpy(&x, &state, 4);
    if (std::isnan(x)) continue;
    const _Float16 want = static_cast<_Float16>(x);
    uint16_t bits;
    std::memcpy(&bits, &want, 2);
    ASSERT_EQ(float_to_fp16(x), bits) << x;
    // bfloat16: the nearer of the two neighbours, the even one on a tie.
    const float down = bf16_to_float(static_cast<uint16_t>(state >> 16)), got = bf16_to_float(float_to_bf16(x));
    const double ulp = std::abs(static_cast<double>(bf16_to_float(static_cast<uint16_t>((state >> 16) + 1))) - down);
    if (!std::isfinite(got) || !std::isfinite(ulp)) continue;
    ASSERT_LE(std::abs(static_cast<double>(got) - x), ulp / 2) << x;
  }
  EXPECT_EQ(float_to_bf16(bf16_to_float(0x3f80)), 0x3f80);
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(NAN))));
  EXPECT_TRUE(std::isnan(fp16_to_float(float_to_fp16(NAN))));
}

TEST(Philox, KnownAnswers) {
  // Random123's known-answer vectors for philox4x32-10.
  const Philox4 zero = philox(0, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
}

TEST(Generator, ReservesWithoutOverlap) {
  Generator g(7);
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<uint64_t> offsets;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        const auto s = g.reserve(3);
        std::lock_guard lock(mutex);
        EXPECT_TRUE(offsets.insert(s.offset).second);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(g.offset(), 1200u);
}

TEST(Parallel, EveryChunkOnceWhateverTheThreads) {
  const int before = get_num_threads();
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (int64_t n : {0, 1, 99, 100, 101, 12345}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
      std::atomic<bool> borders{true};
      parallel_for(n, 100, [&](int64_t begin, int64_t end) {
        if (begin % 100 != 0 || (end != n && end - begin != 100)) borders = false;
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      EXPECT_TRUE(borders);
      for (auto& h : hits) ASSERT_EQ(h, 1);
    }
  }
  set_num_threads(before);
}

TEST(Parallel, StepsFollowOnEachOther) {
  const int before = get_num_threads();
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (int64_t n : {1, 2, 5, 16}) {
      // Every item of a step reads what all items of the step before wrote.
      constexpr int64_t kSteps = 200;
      std::vector<int64_t> value(static_cast<size_t>((kSteps + 1) * n), 1);
      parallel_steps(kSteps, n, [&](int64_t step, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          int64_t sum = 0;
          for (int64_t j = 0; j < n; ++j) sum += value[static_cast<size_t>(step * n + j)];
          value[static_cast<size_t>((step + 1) * n + i)] = sum % 1'000'003;
        }
      });
      int64_t want = 1;
      for (int64_t step = 0; step < kSteps; ++step) want = want * n % 1'000'003;
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(value[static_cast<size_t>(kSteps * n + i)], want);
    }
  }
  set_num_threads(before);
}

TEST(Parallel, StepsNestedAndFromManyHostThreads) {
  std::atomic<int64_t> count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round)
        parallel_steps(3, 8, [&](int64_t, int64_t begin, int64_t end) {
          parallel_steps(2, end - begin, [&](int64_t, int64_t b, int64_t e) { count += e - b; });
        });
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(count, 4 * 20 * 3 * 8 * 2);
}

TEST(Parallel, NestedAndFromManyHostThreads) {
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        parallel_for(8, 1, [&](int64_t, int64_t) { parallel_for(10, 1, [&](int64_t b, int64_t) { sum += b; }); });
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(sum, 4 * 50 * 8 * 45);
}

TEST(Allocator, AlignedCountedAndReused) {
  empty_cache();
  const MemoryStats before = memory_stats();
  std::vector<std::pair<void*, int64_t>> blocks;
  for (int64_t bytes : {1, 63, 64, 65, 100, 4096, 100'000, 5'000'000}) {
    void* p = allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    std::memset(p, 1, static_cast<size_t>(bytes));
    blocks.emplace_back(p, bytes);
  }
  EXPECT_GT(memory_stats().allocated_bytes, before.allocated_bytes + 5'000'000);
  EXPECT_LT(memory_stats().allocated_bytes, before.allocated_bytes + 6'000'000);
  for (auto [p, bytes] : blocks) deallocate(p, bytes);
  EXPECT_EQ(memory_stats().allocated_bytes, before.allocated_bytes);
  const int64_t system = memory_stats().system_allocations;
  void* again = allocate(100'000);
  EXPECT_EQ(memory_stats().system_allocations, system);
  deallocate(again, 100'000);
  EXPECT_THROW(allocate(int64_t{1} << 52), OutOfMemoryError);
  EXPECT_EQ(memory_stats().allocated_bytes, before.allocated_bytes);
}

TEST(Check, NamesEverything) {
  try {
    DLCORE_CHECK(1 > 2, ValueError, "op: k must be positive, got ", -3);
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_STREQ(e.what(), "op: k must be positive, got -3");
  }
}

TEST(Tensor, DataChecksItsType) {
  const Tensor t = new_tensor({2}, DType::Float32);
  EXPECT_NO_THROW(t.data<float>());
  EXPECT_THROW(t.data<double>(), TypeError);
  EXPECT_THROW(t.size(3), IndexError);
  EXPECT_THROW(t.item(), RuntimeError);
}

}  // namespace
}  // namespace dlcore
