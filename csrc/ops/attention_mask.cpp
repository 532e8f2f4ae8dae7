#include "ops/attention_mask.h"

#include <map>

namespace dlcore {

namespace {

using kernel::AttentionRun;

constexpr int64_t kSide = kernel::kAttentionBlock;
constexpr int32_t kWhole = -1;

int64_t blocks_of(int64_t n) { return (n + kSide - 1) / kSide; }
uint64_t bits_below(int64_t n) { return n >= kSide ? ~uint64_t{0} : (uint64_t{1} << n) - 1; }

// Appends to the runs of a block, from first_run on, joining neighbours that take part as a whole.
void append(std::vector<AttentionRun>& runs, size_t first_run, int64_t block, int64_t count, int32_t tile) {
  if (count <= 0) return;
  if (tile < 0 && runs.size() > first_run && runs.back().tile < 0 && runs.back().first + runs.back().count == block)
    runs.back().count += static_cast<int32_t>(count);
  else
    runs.push_back({static_cast<int32_t>(block), static_cast<int32_t>(count), tile});
}

}  // namespace

// Makes the rows, one block of queries after the other, and from them the columns. Equal tiles are kept once.
class AttentionPairs::Builder {
 public:
  Builder(int64_t queries, int64_t keys, int64_t lists = 1) {
    p_.queries_ = queries, p_.keys_ = keys, p_.lists_ = lists;
    p_.row_start_.assign(static_cast<size_t>(lists > 0), 0);
  }

  void whole(int64_t block, int64_t count) { append(p_.rows_, first_run_, block, count, kWhole); }
  void part(int64_t block, const Tile& tile) {
    uint64_t any = 0, all = ~uint64_t{0};
    for (const uint64_t word : tile) any |= word, all &= word;
    if (any == 0) return;
    append(p_.rows_, first_run_, block, 1, ~all == 0 ? kWhole : number_of(tile));
  }
  void end_row() {
    first_run_ = p_.rows_.size();
    p_.row_start_.push_back(static_cast<int64_t>(first_run_));
    if (++row_ == blocks_of(p_.queries_)) end_list();
  }

  AttentionPairs finish() {
    while (done_ < p_.lists_) end_list();  // without queries no row ends
    return std::move(p_);
  }

 private:
  int32_t number_of(const Tile& tile) {
    const auto [at, added] = numbers_.emplace(tile, static_cast<int32_t>(p_.tiles_.size()));
    if (added) p_.tiles_.push_back(tile);
    return at->second;
  }

  void end_list() {
    const size_t rows = static_cast<size_t>(blocks_of(p_.queries_)), first = static_cast<size_t>(done_) * (rows + 1);
    std::vector<std::vector<AttentionRun>> of(static_cast<size_t>(blocks_of(p_.keys_)));
    for (size_t row = 0; row < rows; ++row)
      for (int64_t r = p_.row_start_[first + row]; r < p_.row_start_[first + row + 1]; ++r) {
        const AttentionRun& run = p_.rows_[static_cast<size_t>(r)];
        for (int32_t i = 0; i < run.count; ++i)
          append(of[static_cast<size_t>(run.first + i)], 0, static_cast<int64_t>(row), 1, run.tile);
      }
    p_.column_start_.push_back(static_cast<int64_t>(p_.columns_.size()));
    for (const auto& runs : of) {
      p_.columns_.insert(p_.columns_.end(), runs.begin(), runs.end());
      p_.column_start_.push_back(static_cast<int64_t>(p_.columns_.size()));
    }
    row_ = 0;
    if (++done_ < p_.lists_) p_.row_start_.push_back(static_cast<int64_t>(p_.rows_.size()));
  }

  AttentionPairs p_;
  std::map<Tile, int32_t> numbers_;
  size_t first_run_ = 0;
  int64_t row_ = 0, done_ = 0;
};

AttentionPairs AttentionPairs::band(int64_t queries, int64_t keys, int64_t low, int64_t high) {
  Builder b(queries, keys);
  low = std::clamp(low, -queries, keys), high = std::clamp(high, -queries, keys);
  const auto part = [&](int64_t row, int64_t block) {
    Tile tile{};
    const int64_t shift = (row - block) * kSide;  // query i of the block's row is i + shift from its first key
    for (int64_t i = 0; i < kSide; ++i) {
      const int64_t begin = std::clamp<int64_t>(i + shift + low, 0, kSide);
      const int64_t end = std::clamp<int64_t>(i + shift + high + 1, begin, kSide);
      tile[static_cast<size_t>(i)] = bits_below(end) & ~bits_below(begin);
    }
    b.part(block, tile);
  };
  for (int64_t row = 0; row < blocks_of(queries); ++row) {
    const int64_t first = row * kSide, last = std::min(queries, first + kSide) - 1;
    // Keys that some query of the block attends to, and those that all do.
    const int64_t some_begin = std::max<int64_t>(0, first + low), some_end = std::min(keys, last + high + 1);
    const int64_t all_begin = std::max<int64_t>(0, last + low), all_end = std::min(keys, first + high + 1);
    if (some_begin < some_end) {
      const int64_t begin = some_begin / kSide, end = blocks_of(some_end);
      const int64_t whole_begin = std::clamp(blocks_of(all_begin), begin, end);
      const int64_t whole_end = std::clamp(all_end == keys ? blocks_of(keys) : all_end / kSide, whole_begin, end);
      for (int64_t block = begin; block < whole_begin; ++block) part(row, block);
      b.whole(whole_begin, whole_end - whole_begin);
      for (int64_t block = whole_end; block < end; ++block) part(row, block);
    }
    b.end_row();
  }
  return b.finish();
}

AttentionPairs AttentionPairs::strided(int64_t queries, int64_t keys, int64_t step) {
  Builder b(queries, keys);
  step = std::min(step, queries + keys + 2 * kSide);  // farther than any pair is apart
  for (int64_t row = 0; row < blocks_of(queries); ++row, b.end_row())
    for (int64_t block = 0; block < blocks_of(keys); ++block) {
      Tile tile{};
      for (int64_t i = 0; i < kSide; ++i) {
        const int64_t distance = (row - block) * kSide + i, first = (distance % step + step) % step;
        for (int64_t j = first; j < kSide; j += step) tile[static_cast<size_t>(i)] |= uint64_t{1} << j;
      }
      b.part(block, tile);
    }
  return b.finish();
}

AttentionPairs AttentionPairs::global(int64_t queries, int64_t keys, IntSpan tokens) {
  std::map<int64_t, uint64_t> of;  // by block: its tokens
  for (const int64_t t : tokens) of[t / kSide] |= uint64_t{1} << (t % kSide);
  Builder b(queries, keys);
  for (int64_t row = 0; row < blocks_of(queries); ++row, b.end_row()) {
    const auto mine = of.find(row);
    const auto part = [&](int64_t block, uint64_t columns) {
      Tile tile;
      for (int64_t i = 0; i < kSide; ++i)
        tile[static_cast<size_t>(i)] = mine != of.end() && mine->second >> i & 1 ? ~uint64_t{0} : columns;
      b.part(block, tile);
    };
    if (mine == of.end()) {
      for (const auto& [block, columns] : of)
        if (block < blocks_of(keys)) part(block, columns);
    } else {
      for (int64_t block = 0; block < blocks_of(keys); ++block) {
        const auto theirs = of.find(block);
        part(block, theirs == of.end() ? 0 : theirs->second);
      }
    }
  }
  return b.finish();
}

AttentionPairs AttentionPairs::key_padding(int64_t queries, int64_t keys, IntSpan lengths) {
  Builder b(queries, keys, static_cast<int64_t>(lengths.size()));
  for (const int64_t length : lengths)
    for (int64_t row = 0; row < blocks_of(queries); ++row, b.end_row()) {
      b.whole(0, length / kSide);
      if (length % kSide == 0) continue;
      Tile tile;
      tile.fill(bits_below(length % kSide));
      b.part(length / kSide, tile);
    }
  return b.finish();
}

AttentionPairs AttentionPairs::block_sparse(int64_t queries, int64_t keys, const bool* blocks, int64_t size) {
  const int64_t across = (keys + size - 1) / size, down = (queries + size - 1) / size;
  Builder b(queries, keys);
  for (int64_t row = 0; row < blocks_of(queries); ++row, b.end_row())
    for (int64_t block = 0; block < blocks_of(keys); ++block) {
      if (size % kSide == 0) {  // ours lies in one of theirs
        b.whole(block, blocks[row * kSide / size * across + block * kSide / size]);
        continue;
      }
      Tile tile{};
      for (int64_t i = 0; i < kSide; ++i) {
        const int64_t line = std::min((row * kSide + i) / size, down - 1);
        for (int64_t j = 0; j < kSide; ++j) {
          const int64_t column = std::min((block * kSide + j) / size, across - 1);
          tile[static_cast<size_t>(i)] |= uint64_t{blocks[line * across + column]} << j;
        }
      }
      b.part(block, tile);
    }
  return b.finish();
}

AttentionPairs AttentionPairs::combine(const AttentionPairs& o, bool both) const {
  const int64_t lists = std::min(lists_, o.lists_) == 0 ? 0 : std::max(lists_, o.lists_), rows = blocks_of(queries_);
  Builder b(queries_, keys_, lists);
  // What is left of a block's runs: the part of the run at hand from `block` on.
  struct Cursor {
    const AttentionPairs& p;
    int64_t at, end, block;
    Cursor(const AttentionPairs& p, int64_t row)
        : p(p), at(p.row_start_[static_cast<size_t>(row)]), end(p.row_start_[static_cast<size_t>(row + 1)]) {
      open();
    }
    const AttentionRun& run() const { return p.rows_[static_cast<size_t>(at)]; }
    void open() { block = at < end ? run().first : INT64_MAX; }
    int64_t stop() const { return at < end ? run().first + run().count : INT64_MAX; }
    bool whole() const { return run().tile < 0; }
    uint64_t word(size_t i) const { return whole() ? ~uint64_t{0} : p.tiles_[static_cast<size_t>(run().tile)][i]; }
    void go_to(int64_t to) {
      block = to;
      if (block >= stop()) ++at, open();
    }
  };
  const auto copy = [&](const Cursor& c, int64_t from, int64_t to) {
    c.whole() ? b.whole(from, to - from) : b.part(from, c.p.tiles_[static_cast<size_t>(c.run().tile)]);
  };
  for (int64_t list = 0; list < lists; ++list)
    for (int64_t row = 0; row < rows; ++row, b.end_row()) {
      Cursor x(*this, (lists_ > 1 ? list * (rows + 1) : 0) + row), y(o, (o.lists_ > 1 ? list * (rows + 1) : 0) + row);
      while (x.at < x.end || y.at < y.end) {
        const int64_t from = std::min(x.block, y.block);
        if (x.block != y.block) {  // only one of them is here
          Cursor& here = x.block < y.block ? x : y;
          const int64_t to = std::min(here.stop(), (x.block < y.block ? y : x).block);
          if (!both) copy(here, from, to);
          here.go_to(to);
          continue;
        }
        const int64_t to = std::min(x.stop(), y.stop());
        if (x.whole() && y.whole()) {
          b.whole(from, to - from);
        } else {
          Tile tile;
          for (size_t i = 0; i < tile.size(); ++i) tile[i] = both ? x.word(i) & y.word(i) : x.word(i) | y.word(i);
          b.part(from, tile);
        }
        x.go_to(to), y.go_to(to);
      }
    }
  return b.finish();
}

std::vector<int64_t> AttentionPairs::lists_of(int64_t planes) const {
  std::vector<int64_t> list(static_cast<size_t>(planes));
  for (int64_t plane = 0; plane < planes; ++plane) list[static_cast<size_t>(plane)] = plane * lists_ / planes;
  return list;
}

int64_t AttentionPairs::count() const {
  int64_t blocks = 0;
  for (const AttentionRun& run : rows_) blocks += run.count;
  return std::min(blocks / std::max<int64_t>(lists_, 1) * kSide * kSide, queries_ * keys_);
}

Tensor AttentionPairs::dense() const {
  Tensor y = lists_ == 1 ? zeros({queries_, keys_}, DType::Bool) : zeros({lists_, queries_, keys_}, DType::Bool);
  bool* data = y.data<bool>();
  for (int64_t list = 0; list < lists_; ++list)
    for (int64_t i = 0; i < queries_; ++i, data += keys_) {
      const size_t row = static_cast<size_t>(list * (blocks_of(queries_) + 1) + i / kSide);
      for (int64_t r = row_start_[row]; r < row_start_[row + 1]; ++r) {
        const AttentionRun& run = rows_[static_cast<size_t>(r)];
        const uint64_t bits =
            run.tile < 0 ? ~uint64_t{0} : tiles_[static_cast<size_t>(run.tile)][static_cast<size_t>(i % kSide)];
        const int64_t begin = run.first * kSide, end = std::min(keys_, begin + run.count * kSide);
        for (int64_t j = begin; j < end; ++j) data[j] = bits >> (j % kSide) & 1;
      }
    }
  return y;
}

}  // namespace dlcore
