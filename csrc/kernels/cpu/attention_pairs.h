#pragma once
// What happens to the pairs of queries and keys of a block besides products: which of them take part, masks, dropout.
#include "kernels/attention.h"
#include "kernels/cpu/attention_product.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/philox.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kSide = kAttentionBlock;

// Up to Most neighbouring blocks of a list, and the tile of each.
template <int Most>
struct Piece {
  int64_t first, count;
  int32_t tiles[Most];
};

// f(piece) for all blocks of the runs, as many at a time as lie next to each other.
template <int Most, class F>
void pieces(const AttentionRun* run, const AttentionRun* end, const F& f) {
  Piece<Most> p;
  p.count = 0;
  for (; run < end; ++run)
    for (int32_t i = 0; i < run->count; ++i) {
      const int64_t block = run->first + i;
      if (p.count == Most || (p.count > 0 && block != p.first + p.count)) f(p), p.count = 0;
      if (p.count == 0) p.first = block;
      p.tiles[p.count++] = run->tile;
    }
  if (p.count > 0) f(p);
}

// Lanes whose bit is set.
template <class T>
DLCORE_INLINE mask<T, kLanes<T>> lanes_of(uint64_t bits) {
  using B = typename vec<T>::bits;
  const vec<B, kLanes<T>> one{vec<B, kLanes<T>>(B{1}).v << lane_numbers<B, kLanes<T>>().v};
  return {((vec<B, kLanes<T>>(static_cast<B>(bits)) & one) == one).m};
}

template <class T>
class Pairs {
 public:
  explicit Pairs(const Attention& a) : a_(a), keep_(1 - a.dropout) {
    const double limit = keep_ * 0x1p32;
    limit_ = limit >= 0x1p32 ? ~uint32_t{0} : static_cast<uint32_t>(limit);
    factor_ = a.dropout < 1 ? static_cast<T>(1 / keep_) : T(0);
  }

  bool dropout() const { return a_.dropout > 0; }

  // Whether some pair of a block needs apply().
  DLCORE_INLINE bool restricted(int32_t tile, int64_t block) const {
    return a_.mask.data || tile >= 0 || (block + 1) * kSide > a_.keys;
  }

  // s of a query and a block of keys: adds the mask, and -infinity where the pair takes no part.
  void apply(int64_t plane, int64_t query, int64_t block, int32_t tile, T* s) const {
    constexpr int64_t L = kLanes<T>;
    const int64_t key = block * kSide, n = least(kSide, a_.keys - key);
    uint64_t bits = tile < 0 ? ~uint64_t{0} : a_.blocks.tiles[tile][query % kSide];
    if (n < kSide) bits &= (uint64_t{1} << n) - 1;
    const AttentionMask& m = a_.mask;
    const int64_t at = m.data ? m.places[plane] + query * m.row + key * m.column : 0;
    const vec<T> excluded(-kInfinity<T>);
    for (int64_t j = 0; j < n; j += L) {
      vec<T> x = vec<T>::load(s + j);
      if (m.data && m.boolean) {
        uint8_t take[L] = {};
        const uint8_t* from = static_cast<const uint8_t*>(m.data) + at;
        m.column ? std::memcpy(take, from + j, static_cast<size_t>(least(L, n - j))) : std::memset(take, *from, L);
        x = select(load_mask<T, kLanes<T>>(take), x, excluded);
      } else if (m.data) {
        const T* from = static_cast<const T*>(m.data) + at;
        x += m.column ? vec<T>::load(from + j, least(L, n - j)) : vec<T>(*from);
      }
      select(lanes_of<T>(bits >> j), x, excluded).store(s + j);
    }
  }

  // z of a query and a block of keys.
  void factors(int64_t plane, int64_t query, int64_t block, T* z) const {
    uint32_t words[kWords];
    static_assert(kWords == kSide);
    const int64_t place = (plane * a_.queries + query) * ceil_div(a_.keys, kSide) + block;
    philox_block(a_.seed, a_.offset + static_cast<uint64_t>(place) * kCounters, words);
    constexpr int L = kLanes<T>;
    for (int i = 0; i < kWords; i += L) {
      const auto kept = (vec<uint32_t, L>::load(words + i) < vec<uint32_t, L>(limit_)).m;
      select(mask<T, L>{__builtin_convertvector(kept, typename vec<T, L>::mask_native)}, vec<T>(factor_), vec<T>(T(0)))
          .store(z + i);
    }
  }

 private:
  const Attention& a_;
  double keep_;
  uint32_t limit_;
  T factor_;
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
