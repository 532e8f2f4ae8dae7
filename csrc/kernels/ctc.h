#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Connectionist temporal classification (Graves, Fernandez, Gomez, Schmidhuber, 2006): the probability that steps of
// class probabilities spell a label sequence, over all alignments. A sequence l_1 ... l_L has the states
// l' = (blank, l_1, blank, l_2, ..., l_L, blank), of which there are S = 2 L + 1. With x the log-probabilities, and
// logarithms of everything:
//
//   alpha_t(s) = x_t(l'_s) + log sum of exp alpha_{t-1}(s') over s' in {s, s - 1, s - 2 *}
//                first: x_0(l'_s) for s = 0 and 1
//   beta_t(s)  = log sum of exp(x_{t+1}(l'_s') + beta_{t+1}(s')) over s' in {s, s + 1, s + 2 *}
//                last: 0 for s = S - 1 and S - 2
//   loss       = -log sum of exp alpha over these two, at the end
//   dx_t(c)    = dy (exp x_t(c) - sum of p_t(s) over s with l'_s = c)
//                p_t(s): exp(alpha_t(s) + beta_t(s)), scaled to sum to 1
//
// * where the labels at the two are not the same. Each step's alphas are stored less the largest of the step
// before, so that they stay near 0 however long the sequence; p_t does not see the difference.
namespace dlcore::kernel {

struct Ctc {
  DType dtype;  // float32 or float64
  int64_t samples, steps, classes;
  const void* x;  // class c of sample n at step t: x[t * time + n * sample + c]
  int64_t time, sample;
  const int64_t* labels;  // of sample n: from starts[n] on
  const int64_t *starts, *input_lengths, *target_lengths;
  int64_t blank;
  int64_t states;  // 2 max L + 1
  void* scratch;   // (samples, 3, ctc_pitch(states)) of dtype
};

// A row of states is led, or followed, by two that are never reached.
constexpr int64_t ctc_pitch(int64_t states) { return states + 2; }

struct CtcForward {
  void* loss;           // (samples)
  void* alpha;          // sample n at step t: (n * alpha_steps + t % alpha_steps) * pitch
  int64_t alpha_steps;  // all, or one where nobody reads them afterwards
};

// dx is of x's geometry; 0 past a sample's length. Where no alignment exists dx is NaN, or 0 with zero_infinity.
struct CtcBackward {
  const void *loss, *alpha, *dy;  // dy: (samples)
  void* dx;
  int64_t dx_time, dx_sample;
  bool zero_infinity;
};

}  // namespace dlcore::kernel
