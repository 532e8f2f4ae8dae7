#pragma once
#include "kernels/attention.h"

namespace dlcore::kernel::ref {

// The formulas of kernels/attention.h, pair by pair; float64, no dropout. takes_part(query, key) stands for the blocks.
void attention_forward(const Attention& a, bool (*takes_part)(int64_t query, int64_t key));
void attention_backward(const Attention& a, const AttentionBackward& b, bool (*takes_part)(int64_t query, int64_t key));

}  // namespace dlcore::kernel::ref
