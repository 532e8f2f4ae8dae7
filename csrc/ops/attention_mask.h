#pragma once
#include <array>
#include <vector>

#include "kernels/attention.h"
#include "ops/internal.h"

namespace dlcore {

// Which pairs of queries and keys take part in attention, in blocks: kernel::AttentionBlocks, and what it points to.
class AttentionPairs {
 public:
  // Query i and key j with i + low <= j <= i + high.
  static AttentionPairs band(int64_t queries, int64_t keys, int64_t low, int64_t high);
  static AttentionPairs all(int64_t queries, int64_t keys) { return band(queries, keys, -queries, keys); }

  kernel::AttentionBlocks blocks() const {
    return {row_start_.data(),
            column_start_.data(),
            rows_.data(),
            columns_.data(),
            reinterpret_cast<const uint64_t (*)[kernel::kAttentionBlock]>(tiles_.data()),
            nullptr};
  }
  int64_t count() const;  // pairs in all blocks that are visited
  Tensor dense() const;   // (queries, keys), bool

 private:
  using Tile = std::array<uint64_t, kernel::kAttentionBlock>;

  void fill_columns();

  int64_t queries_ = 0, keys_ = 0;
  std::vector<int64_t> row_start_{0}, column_start_;
  std::vector<kernel::AttentionRun> rows_, columns_;
  std::vector<Tile> tiles_;
};

}  // namespace dlcore
