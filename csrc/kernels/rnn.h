#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Recurrent layers: a whole sequence of one layer, in one or both directions. Step by step, in the direction's order,
// with h_0, c_0 the initial states and s the logistic function:
//
//   Tanh, Relu   h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
//   Lstm         (i, f, g, o) = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh;  i, f, o through s, g through tanh
//                c_t = f c_{t-1} + i g,   h_t = o tanh(c_t), or with a projection h_t = W_hr (o tanh(c_t))
//   Gru          r = s(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr),  z likewise
//                n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn)),   h_t = n + z (h_{t-1} - n)
//
// The formulas of backward stand next to these in cpu/rnn_cells.h.
namespace dlcore::kernel {

enum class RnnCell : uint8_t { Tanh, Relu, Lstm, Gru };

// Rows are (step, sequence) pairs in that order. Step t holds the first batch_sizes[t] of `batch` sequences, which are
// ordered by falling length, so no work is done on padding.
struct Rnn {
  DType dtype;  // Float32 or Float64: everything
  RnnCell cell;
  bool keep = false;                     // forward keeps what backward needs
  int64_t steps, batch, input, hidden;   // steps and hidden are not 0
  int64_t projection = 0;                // Lstm: size of W_hr's result, 0 for none
  int64_t directions = 1;                // 2: forwards and backwards
  int64_t total = 0;                     // rows
  const int64_t* batch_sizes = nullptr;  // (steps), never rising, all positive; null: `batch` in every step

  int64_t gates() const { return cell == RnnCell::Lstm ? 4 : cell == RnnCell::Gru ? 3 : 1; }
  int64_t out() const { return projection ? projection : hidden; }  // size of h
  // What forward keeps of each unit: Lstm i, f, g, o; Gru r, z, n, W_hn h + b_hn; the others nothing but h itself.
  int64_t kept() const { return cell == RnnCell::Lstm || cell == RnnCell::Gru ? 4 : 0; }
  int64_t at(int64_t t) const { return batch_sizes ? batch_sizes[t] : batch; }
};

// What is packed before forward: weights in the order in which it reads them, of rnn_packed_size(g, which) bytes,
// 64-byte aligned. They depend on dtype, cell and sizes, not on steps and batch.
enum class RnnWeight : uint8_t { Input, Recurrent, Projection };

// One direction's parameters; the gates are one below the other, in the order of the formulas.
template <class P>
struct RnnParameters {
  P w_ih = nullptr;                  // (gates * hidden, input)
  P w_hh = nullptr;                  // (gates * hidden, out)
  P b_ih = nullptr, b_hh = nullptr;  // (gates * hidden), may be null
  P w_hr = nullptr;                  // (projection, hidden), or null
};

// What one direction keeps for backward.
struct RnnKept {
  void* gates = nullptr;  // (total, kept * hidden)
  void* cells = nullptr;  // (total, hidden): c_t of Lstm
  void* full = nullptr;   // (total, hidden): o tanh(c_t) where it is projected
};

struct RnnForward {
  const void* x;                             // (total, input)
  const void *h0, *c0;                       // (directions, batch, out), (directions, batch, hidden); null: zeros
  RnnParameters<const void*> parameters[2];  // w_ih, w_hh and w_hr as rnn_pack wrote them
  void* y;                                   // (total, directions * out)
  void *hn, *cn;    // like h0, c0: the states after each sequence's last step; hn may be null, cn only of Lstm
  RnnKept kept[2];  // null unless Rnn::keep
};

struct RnnBackward {
  RnnForward forward;          // as it was given to forward, but weights that are not packed; hn and cn are not used
  const void *dy, *dhn, *dcn;  // null: zeros
  void *dx, *dh0, *dc0;        // null: not wanted, as each of
  RnnParameters<void*> gradients[2];
};

}  // namespace dlcore::kernel
