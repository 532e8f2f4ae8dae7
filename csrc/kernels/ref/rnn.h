#pragma once
#include "kernels/rnn.h"

namespace dlcore::kernel::ref {

// The formulas of kernels/rnn.h, one unit at a time; float64, weights not packed, nothing kept.
void rnn_forward(const Rnn& g, const RnnForward& f);

}  // namespace dlcore::kernel::ref
