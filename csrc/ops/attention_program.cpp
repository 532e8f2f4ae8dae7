#include "dlcore/ops/attention_mask.h"

#include "ops/attention_mask.h"

namespace dlcore {

namespace {

constexpr const char* kOp = "structured_attention";

Tensor list_of(const Tensor& t, const char* what, DType dtype, int64_t dims) {
  DLCORE_CHECK(t.defined(), ValueError, kOp, ": ", what, " must be a tensor, but got None");
  DLCORE_CHECK(t.dtype() == dtype && t.dim() == dims, ValueError, kOp, ": ", what, " must be ", dims,
               "-dimensional and ", name(dtype), ", but got ", name(t.dtype()), " of shape ", t.sizes());
  return contiguous(t);
}

IntSpan numbers_of(const Tensor& t) { return {t.data<int64_t>(), static_cast<size_t>(t.numel())}; }

AttentionPairs global_of(const AttentionSizes& n, const Tensor& tokens) {
  const Tensor t = list_of(tokens, "the tokens of Global", DType::Int64, 1);
  for (const int64_t token : numbers_of(t))
    DLCORE_CHECK(token >= 0 && token < std::max(n.queries, n.keys), ValueError, kOp,
                 ": the tokens of Global must be below ", std::max(n.queries, n.keys), ", but got ", token);
  return AttentionPairs::global(n.queries, n.keys, numbers_of(t));
}

AttentionPairs key_padding_of(const AttentionSizes& n, const Tensor& lengths) {
  const Tensor t = list_of(lengths, "the lengths of KeyPadding", DType::Int64, 1);
  DLCORE_CHECK(t.numel() == n.batches, ValueError, kOp,
               ": the lengths of KeyPadding must be as many as query's first size, ", n.batches, ", but got ",
               t.numel());
  for (const int64_t length : numbers_of(t))
    DLCORE_CHECK(length >= 0 && length <= n.keys, ValueError, kOp, ": the lengths of KeyPadding must be from 0 to ",
                 n.keys, ", but got ", length);
  return AttentionPairs::key_padding(n.queries, n.keys, numbers_of(t));
}

AttentionPairs block_sparse_of(const AttentionSizes& n, const Tensor& blocks, int64_t size) {
  const Tensor t = list_of(blocks, "the blocks of BlockSparse", DType::Bool, 2);
  DLCORE_CHECK(size > 0 && size < int64_t{1} << 32, ValueError, kOp,
               ": the size of BlockSparse must be positive and below 2^32, but got ", size);
  const Dims expected{(n.queries + size - 1) / size, (n.keys + size - 1) / size};
  DLCORE_CHECK(t.sizes() == IntSpan(expected), ValueError, kOp, ": the blocks of BlockSparse must have shape ",
               expected, ", but got ", t.sizes());
  return AttentionPairs::block_sparse(n.queries, n.keys, t.data<bool>(), size);
}

}  // namespace

AttentionPairs read_pairs(const AttentionSizes& n, IntSpan program, const TensorList& data) {
  std::vector<AttentionPairs> stack;
  int64_t at = 0;
  const auto next = [&] {
    DLCORE_CHECK(at < program.size(), ValueError, kOp, ": the program ends within an instruction");
    return program[at++];
  };
  const auto tensor = [&]() -> const Tensor& {
    const int64_t i = next();
    DLCORE_CHECK(i >= 0 && i < static_cast<int64_t>(data.size()), ValueError, kOp, ": no tensor ", i);
    return data[static_cast<size_t>(i)];
  };
  while (at < program.size()) {
    const int64_t code = next();
    switch (static_cast<MaskCode>(code)) {
      case MaskCode::Band: {
        const int64_t low = next(), high = next();
        stack.push_back(AttentionPairs::band(n.queries, n.keys, low, high));
        break;
      }
      case MaskCode::Strided: {
        const int64_t step = next();
        DLCORE_CHECK(step > 0, ValueError, kOp, ": the step of Strided must be positive, but got ", step);
        stack.push_back(AttentionPairs::strided(n.queries, n.keys, step));
        break;
      }
      case MaskCode::Global:
        stack.push_back(global_of(n, tensor()));
        break;
      case MaskCode::KeyPadding:
        stack.push_back(key_padding_of(n, tensor()));
        break;
      case MaskCode::BlockSparse: {
        const int64_t size = next();
        stack.push_back(block_sparse_of(n, tensor(), size));
        break;
      }
      case MaskCode::And:
      case MaskCode::Or: {
        DLCORE_CHECK(stack.size() >= 2, ValueError, kOp, ": the program combines less than two masks");
        const AttentionPairs last = std::move(stack.back());
        stack.pop_back();
        stack.back() = static_cast<MaskCode>(code) == MaskCode::And ? stack.back() & last : stack.back() | last;
        break;
      }
      default:
        DLCORE_CHECK(false, ValueError, kOp, ": no instruction ", code);
    }
  }
  DLCORE_CHECK(stack.size() == 1, ValueError, kOp, ": the program must leave one mask, but leaves ", stack.size());
  return std::move(stack.back());
}

Tensor structured_pairs(int64_t queries, int64_t keys, int64_t batch, IntSpan program, const TensorList& data) {
  DLCORE_CHECK(queries >= 0 && keys >= 0 && batch >= 0, ValueError, kOp, ": sizes must not be negative");
  return read_pairs({queries, keys, batch}, program, data).dense();
}

}  // namespace dlcore
