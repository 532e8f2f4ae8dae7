#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Scaled dot product attention. For each plane (one head of one batch), queries i and keys j:
//
//   s_ij  = scale q_i . k_j + mask_ij, where the blocks let i attend to j, else -infinity
//   m_i   = max_j s_ij,  l_i = sum_j exp(s_ij - m_i)
//   p_ij  = exp(s_ij - m_i) / l_i                0 where query i attends to no key
//   y_i   = sum_j z_ij p_ij v_j                  z_ij = 0 with probability `dropout`, else 1 / (1 - dropout)
//
// and backward, with delta_i = dy_i . y_i:
//
//   dv_j    = sum_i z_ij p_ij dy_i
//   ds_ij   = p_ij (z_ij dy_i . v_j - delta_i) = dmask_ij
//   dq_i    = scale sum_j ds_ij k_j,  dk_j = scale sum_i ds_ij q_i
//
// s and p only ever exist as blocks in the cache: memory is O(queries + keys).
namespace dlcore::kernel {

constexpr int64_t kAttentionBlock = 64;  // queries, and keys, of a block

// `count` neighbouring blocks from `first`: all of their pairs (tile < 0), or of a single block those pairs that
// tiles[tile] holds: bit j of word i lets query i attend to key j.
struct AttentionRun {
  int32_t first, count, tile;
};

// Which blocks of pairs take part: for each block of queries the runs of key blocks, and the same for each block of
// keys. Several such lists may be given; list[plane] says which.
struct AttentionBlocks {
  const int64_t *row_start, *column_start;  // (lists, query blocks + 1), (lists, key blocks + 1): places in the runs
  const AttentionRun *rows, *columns;       // in rising order
  const uint64_t (*tiles)[kAttentionBlock];
  const int64_t* list;  // (planes); null: all use the first
};

// Matrices (planes, rows, columns): element (p, i, j) is data[places[p] + i * row + j].
struct AttentionMatrices {
  void* data;
  const int64_t* places;
  int64_t row;
};

struct AttentionMask {
  const void* data;  // null: none; of dtype, to be added, or bytes: 0 excludes the pair
  bool boolean;
  const int64_t* places;
  int64_t row, column;  // column is 0 or 1
};

struct Attention {
  DType dtype;  // float32, float64
  // q and y have `planes`; k and v planes / group: planes p * group ... + group - 1 share keys and values p.
  int64_t planes, group, queries, keys;
  int64_t depth, width;  // columns of q and k; of v and y
  double scale, dropout;
  uint64_t seed, offset;  // of the dropout: (planes, queries, key blocks, 16) counters of core/philox.h
  AttentionMatrices q, k, v, y;
  // (planes, queries, 2), which backward needs; forward may leave it out (null): m and 1 / l, or infinity and 0 where
  // there are no keys. Both, because m + log l in one number carries its rounding into the whole row of p.
  void* softmax;
  AttentionMask mask;
  AttentionBlocks blocks;
};

struct AttentionBackward {
  AttentionMatrices dy, dq, dk, dv;
  void* dmask;  // (planes, queries, keys), zeros on entry; null: not needed
};

}  // namespace dlcore::kernel
