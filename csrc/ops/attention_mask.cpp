#include "ops/attention_mask.h"

namespace dlcore {

namespace {

constexpr int64_t kSide = kernel::kAttentionBlock;

int64_t blocks_of(int64_t n) { return (n + kSide - 1) / kSide; }

// Appends to the runs of a block, joining neighbours that take part as a whole.
void append(std::vector<kernel::AttentionRun>& runs, size_t first_run, int64_t block, int64_t count, int32_t tile) {
  if (count <= 0) return;
  if (tile < 0 && runs.size() > first_run && runs.back().tile < 0 && runs.back().first + runs.back().count == block)
    runs.back().count += static_cast<int32_t>(count);
  else
    runs.push_back({static_cast<int32_t>(block), static_cast<int32_t>(count), tile});
}

// Bits j of word i with i + low <= j <= i + high.
std::array<uint64_t, kSide> band_tile(int64_t low, int64_t high) {
  std::array<uint64_t, kSide> tile{};
  for (int64_t i = 0; i < kSide; ++i)
    for (int64_t j = std::max<int64_t>(0, i + low); j <= std::min(kSide - 1, i + high); ++j)
      tile[static_cast<size_t>(i)] |= uint64_t{1} << j;
  return tile;
}

}  // namespace

AttentionPairs AttentionPairs::band(int64_t queries, int64_t keys, int64_t low, int64_t high) {
  AttentionPairs p;
  p.queries_ = queries, p.keys_ = keys;
  low = std::clamp(low, -queries, keys), high = std::clamp(high, -queries, keys);
  std::vector<std::pair<int64_t, int32_t>> known;  // the tiles that lie on a diagonal of blocks are the same
  const auto tile_at = [&](int64_t diagonal) {
    for (const auto& [at, tile] : known)
      if (at == diagonal) return tile;
    p.tiles_.push_back(band_tile(low - diagonal * kSide, high - diagonal * kSide));
    known.emplace_back(diagonal, static_cast<int32_t>(p.tiles_.size() - 1));
    return known.back().second;
  };
  for (int64_t row = 0; row < blocks_of(queries); ++row) {
    const int64_t first = row * kSide, last = std::min(queries, first + kSide) - 1;
    const size_t first_run = p.rows_.size();
    // Keys that some query of the block attends to, and those that all do.
    const int64_t some_begin = std::max<int64_t>(0, first + low), some_end = std::min(keys, last + high + 1);
    const int64_t all_begin = std::max<int64_t>(0, last + low), all_end = std::min(keys, first + high + 1);
    if (some_begin < some_end) {
      const int64_t begin = some_begin / kSide, end = blocks_of(some_end);
      const int64_t whole_begin = std::clamp(blocks_of(all_begin), begin, end);
      const int64_t whole_end = std::clamp(all_end == keys ? blocks_of(keys) : all_end / kSide, whole_begin, end);
      for (int64_t b = begin; b < whole_begin; ++b) append(p.rows_, first_run, b, 1, tile_at(b - row));
      append(p.rows_, first_run, whole_begin, whole_end - whole_begin, -1);
      for (int64_t b = whole_end; b < end; ++b) append(p.rows_, first_run, b, 1, tile_at(b - row));
    }
    p.row_start_.push_back(static_cast<int64_t>(p.rows_.size()));
  }
  p.fill_columns();
  return p;
}

void AttentionPairs::fill_columns() {
  std::vector<std::vector<kernel::AttentionRun>> of(static_cast<size_t>(blocks_of(keys_)));
  for (size_t row = 0; row + 1 < row_start_.size(); ++row)
    for (int64_t r = row_start_[row]; r < row_start_[row + 1]; ++r) {
      const kernel::AttentionRun& run = rows_[static_cast<size_t>(r)];
      for (int32_t i = 0; i < run.count; ++i)
        append(of[static_cast<size_t>(run.first + i)], 0, static_cast<int64_t>(row), 1, run.tile);
    }
  column_start_.assign(1, 0);
  for (const auto& runs : of) {
    columns_.insert(columns_.end(), runs.begin(), runs.end());
    column_start_.push_back(static_cast<int64_t>(columns_.size()));
  }
}

int64_t AttentionPairs::count() const {
  int64_t blocks = 0;
  for (const kernel::AttentionRun& run : rows_) blocks += run.count;
  return std::min(blocks * kSide * kSide, queries_ * keys_);
}

Tensor AttentionPairs::dense() const {
  Tensor y = zeros({queries_, keys_}, DType::Bool);
  bool* data = y.data<bool>();
  for (int64_t i = 0; i < queries_; ++i)
    for (int64_t r = row_start_[static_cast<size_t>(i / kSide)]; r < row_start_[static_cast<size_t>(i / kSide + 1)];
         ++r) {
      const kernel::AttentionRun& run = rows_[static_cast<size_t>(r)];
      const uint64_t bits =
          run.tile < 0 ? ~uint64_t{0} : tiles_[static_cast<size_t>(run.tile)][static_cast<size_t>(i % kSide)];
      const int64_t begin = run.first * kSide, end = std::min(keys_, begin + run.count * kSide);
      for (int64_t j = begin; j < end; ++j) data[i * keys_ + j] = bits >> (j % kSide) & 1;
    }
  return y;
}

}  // namespace dlcore
