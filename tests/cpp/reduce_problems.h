#pragma once
// Strided arrays that hurt, for tests of kernels that reduce: filled, guarded on both sides, with all sets of
// dimensions.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "core/check.h"
#include "core/half.h"
#include "dlcore/parallel.h"
#include "guarded.h"
#include "kernels/ref/reduce.h"
#include "kernels/registry.h"

namespace dlcore::test {

inline constexpr double unit(DType t) {  // unit roundoff: 2^-p of p significant bits, the leading one among them
  return t == DType::Float64 ? 0x1p-53 : t == DType::BFloat16 ? 0x1p-8 : t == DType::Float16 ? 0x1p-11 : 0x1p-24;
}

inline void store(DType dtype, void* x, int64_t i, double v) {
  switch (dtype) {
    case DType::Float32:
      static_cast<float*>(x)[i] = static_cast<float>(v);
      break;
    case DType::Float64:
      static_cast<double*>(x)[i] = v;
      break;
    case DType::BFloat16:
      static_cast<uint16_t*>(x)[i] = float_to_bf16(static_cast<float>(v));
      break;
    case DType::Float16:
      static_cast<uint16_t*>(x)[i] = float_to_fp16(static_cast<float>(v));
      break;
    case DType::Int8:
      static_cast<int8_t*>(x)[i] = static_cast<int8_t>(v);
      break;
    case DType::Int16:
      static_cast<int16_t*>(x)[i] = static_cast<int16_t>(v);
      break;
    case DType::Int32:
      static_cast<int32_t*>(x)[i] = static_cast<int32_t>(v);
      break;
    case DType::Int64:
      static_cast<int64_t*>(x)[i] = static_cast<int64_t>(v);
      break;
    case DType::UInt8:
      static_cast<uint8_t*>(x)[i] = static_cast<uint8_t>(std::fabs(v));
      break;
    case DType::Bool:
      static_cast<uint8_t*>(x)[i] = v > 0;
      break;
  }
}

struct Geometry {
  std::vector<int64_t> sizes, strides;
  std::string text() const {
    std::string s = "(";
    for (int64_t v : sizes) s += std::to_string(v) + ",";
    s += ") strides (";
    for (int64_t v : strides) s += std::to_string(v) + ",";
    return s + ")";
  }
  int64_t numel() const {
    int64_t n = 1;
    for (int64_t v : sizes) n *= v;
    return n;
  }
  int64_t extent() const {
    int64_t last = 0;
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (sizes[d] == 0) return 0;
      last += (sizes[d] - 1) * strides[d];
    }
    return last + 1;
  }
};

inline std::vector<int64_t> contiguous(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size());
  int64_t step = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<int64_t>(sizes[d], 1);
  }
  return strides;
}
inline Geometry dense(std::vector<int64_t> sizes) { return {sizes, contiguous(sizes)}; }

// Contiguous, transposed, with gaps, and expanded arrays; sizes around those of vectors, tiles, blocks and chunks.
inline std::vector<Geometry> geometries() {
  std::vector<Geometry> list;
  for (std::vector<int64_t> sizes : std::vector<std::vector<int64_t>>{
           {},        {1},         {2},          {7},          {8},           {9},        {15},
           {16},      {17},        {31},         {33},         {63},          {64},       {65},
           {130},     {4095},      {4097},       {70001},      {3, 1},        {1, 3},     {3, 5},
           {65, 4},   {4, 65},     {33, 17},     {300, 70},    {3, 41000},    {41000, 3}, {9000, 9},
           {2, 3, 4}, {5, 33, 17}, {3, 300, 65}, {2, 1, 3, 5}, {2, 520, 3, 7}})
    list.push_back(dense(sizes));
  list.push_back({{33, 17}, {1, 33}});
  list.push_back({{40, 2000}, {1, 40}});
  list.push_back({{17, 19}, {60, 3}});
  list.push_back({{300, 70}, {140, 2}});
  list.push_back({{9}, {5}});
  list.push_back({{5, 33, 17}, {17, 85, 1}});
  list.push_back({{4, 6, 10, 10}, {600, 1, 60, 6}});  // channels last
  list.push_back({{65, 34}, {0, 1}});
  list.push_back({{65, 34}, {1, 0}});
  list.push_back({{3, 4}, {0, 0}});
  return list;
}

// An array of this geometry; memory outside of it is guarded, elements in gaps are NaN.
class Filled {
 public:
  Filled(DType dtype, const Geometry& g, unsigned seed, double low = -3, double high = 3)
      : dtype_(dtype), memory_(g.extent() * item_size(dtype)) {
    for (int64_t i = 0; i < g.extent(); ++i) store(dtype, data(), i, is_floating(dtype) ? NAN : 100);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> value(low, high);
    for (const auto& places : kernel::ref::offsets(g.sizes, g.strides, 0))
      for (int64_t i : places) store(dtype, data(), i, value(random));
  }
  void* data() { return memory_.data(); }
  void set(int64_t i, double v) { store(dtype_, data(), i, v); }

 private:
  DType dtype_;
  Guarded<char> memory_;
};

// y's strides for the kept dimensions of x, contiguous; 0 for the reduced ones.
inline std::vector<int64_t> kept_strides(const Geometry& g, uint64_t mask) {
  std::vector<int64_t> strides(g.sizes.size(), 0);
  int64_t step = 1;
  for (size_t d = g.sizes.size(); d-- > 0;) {
    if (mask >> d & 1) continue;
    strides[d] = step;
    step *= g.sizes[d];
  }
  return strides;
}
inline int64_t kept_count(const Geometry& g, uint64_t mask) {
  int64_t n = 1;
  for (size_t d = 0; d < g.sizes.size(); ++d)
    if (!(mask >> d & 1)) n *= g.sizes[d];
  return n;
}

// run(y) for 1, 2, 3 and 7 threads, which must all write the same bytes.
template <class Run>
void same_for_any_threads(int64_t bytes, void* y, const Run& run, const std::string& what) {
  const int before = get_num_threads();
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    Guarded<char> other(bytes);
    std::memset(other.data(), 0x5a, static_cast<size_t>(bytes));
    run(threads == 1 ? y : other.data());
    if (threads > 1 && bytes > 0) {
      EXPECT_EQ(std::memcmp(y, other.data(), static_cast<size_t>(bytes)), 0) << what << ", threads " << threads;
    }
  }
  set_num_threads(before);
}

inline bool near(long double got, long double want, long double bound) {
  if (std::isnan(want) || std::isinf(want)) return std::isnan(want) ? std::isnan(got) : got == want;
  return std::fabs(got - want) <= bound;
}

}  // namespace dlcore::test
