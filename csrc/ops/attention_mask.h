#pragma once
#include <array>
#include <vector>

#include "kernels/attention.h"
#include "ops/internal.h"

namespace dlcore {

// Which pairs of queries and keys take part in attention, in blocks: kernel::AttentionBlocks, and what it points to.
// There may be several lists of blocks, for as many batches.
class AttentionPairs {
 public:
  // Query i and key j with i + low <= j <= i + high.
  static AttentionPairs band(int64_t queries, int64_t keys, int64_t low, int64_t high);
  static AttentionPairs all(int64_t queries, int64_t keys) { return band(queries, keys, -queries, keys); }
  // i - j a multiple of step.
  static AttentionPairs strided(int64_t queries, int64_t keys, int64_t step);
  // i or j one of the tokens.
  static AttentionPairs global(int64_t queries, int64_t keys, IntSpan tokens);
  // j < lengths[batch]
  static AttentionPairs key_padding(int64_t queries, int64_t keys, IntSpan lengths);
  // blocks[i / size, j / size], for blocks (ceil(queries / size), ceil(keys / size)) of bools
  static AttentionPairs block_sparse(int64_t queries, int64_t keys, const bool* blocks, int64_t size);
  AttentionPairs operator&(const AttentionPairs& o) const { return combine(o, true); }
  AttentionPairs operator|(const AttentionPairs& o) const { return combine(o, false); }

  // list[plane] of `planes`, which the lists share evenly.
  std::vector<int64_t> lists_of(int64_t planes) const;
  kernel::AttentionBlocks blocks(const std::vector<int64_t>& list) const {
    return {row_start_.data(),
            column_start_.data(),
            rows_.data(),
            columns_.data(),
            reinterpret_cast<const uint64_t (*)[kernel::kAttentionBlock]>(tiles_.data()),
            list.data()};
  }
  int64_t lists() const { return lists_; }
  int64_t count() const;  // pairs in all blocks that are visited, of an average list
  Tensor dense() const;   // (queries, keys), or (lists, queries, keys) of several; bool

 private:
  using Tile = std::array<uint64_t, kernel::kAttentionBlock>;
  class Builder;

  AttentionPairs combine(const AttentionPairs& o, bool both) const;

  int64_t queries_ = 0, keys_ = 0, lists_ = 1;
  std::vector<int64_t> row_start_, column_start_;  // by list, then block
  std::vector<kernel::AttentionRun> rows_, columns_;
  std::vector<Tile> tiles_;
};

struct AttentionSizes {
  int64_t queries, keys, batches;
};

// What a program (dlcore/ops/attention_mask.h) leaves.
AttentionPairs read_pairs(const AttentionSizes& n, IntSpan program, const TensorList& data);

}  // namespace dlcore
