#pragma once
#include <tuple>

#include "dlcore/tensor.h"

namespace dlcore {

// ---- recurrent layers (formulas: csrc/kernels/rnn.h, docs/recurrent.md)
//
// Every layer is one kernel and one node of the graph, forward and backward. 16-bit floating point is computed in
// float32. Their gradients cannot be differentiated again.

// A stack of layers; the names are those of PyTorch's functions.
//
//   params         for each layer, for each direction: w_ih (gates * hidden, features), w_hh (gates * hidden, out),
//   with
//                  `biases` b_ih and b_hh (gates * hidden), and w_hr (out, hidden) where an LSTM projects h
//   dropout        probability with which elements between layers are zeroed where `train`
//   bidirectional  layers run in both directions, and give both results side by side
//
// out is hidden, or with w_hr its first size; gates 4 of LSTM (i, f, g, o), 3 of GRU (r, z, n), 1 of RNN.
struct RnnOptions {
  bool biases = true;
  int64_t num_layers = 1;
  double dropout = 0;
  bool train = false;
  bool bidirectional = false;
};

// input: (steps, batch, features), or (batch, steps, features) with batch_first; h0: (layers * directions, batch, out)
// and c0: (layers * directions, batch, hidden), or undefined for zeros. Result: y (steps, batch, directions * out), or
// with batch and steps exchanged; hn and (of LSTM) cn, like h0 and c0.
DLCORE_API std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& input, const TensorList& hx, const TensorList& params,
                                                   const RnnOptions& options, bool batch_first = false);
DLCORE_API std::tuple<Tensor, Tensor> gru(const Tensor& input, const Tensor& h0, const TensorList& params,
                                          const RnnOptions& options, bool batch_first = false);
DLCORE_API std::tuple<Tensor, Tensor> rnn_tanh(const Tensor& input, const Tensor& h0, const TensorList& params,
                                               const RnnOptions& options, bool batch_first = false);
DLCORE_API std::tuple<Tensor, Tensor> rnn_relu(const Tensor& input, const Tensor& h0, const TensorList& params,
                                               const RnnOptions& options, bool batch_first = false);

// Sequences of different lengths, longest first: data (rows, features) holds the batch_sizes[0] first elements, then
// the batch_sizes[1] second ones, and so on; batch_sizes (steps) is int64. y: (rows, directions * out).
DLCORE_API std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& data, const Tensor& batch_sizes, const TensorList& hx,
                                                   const TensorList& params, const RnnOptions& options);
DLCORE_API std::tuple<Tensor, Tensor> gru(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                                          const TensorList& params, const RnnOptions& options);
DLCORE_API std::tuple<Tensor, Tensor> rnn_tanh(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                                               const TensorList& params, const RnnOptions& options);
DLCORE_API std::tuple<Tensor, Tensor> rnn_relu(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                                               const TensorList& params, const RnnOptions& options);

// One step. input: (batch, features) or (features); the states (batch, hidden) or (hidden), hx = (h, c) of lstm_cell;
// an undefined hx: zeros. Result: the next h, and c.
DLCORE_API std::tuple<Tensor, Tensor> lstm_cell(const Tensor& input, const TensorList& hx, const Tensor& w_ih,
                                                const Tensor& w_hh, const Tensor& b_ih = {}, const Tensor& b_hh = {});
DLCORE_API Tensor gru_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh,
                           const Tensor& b_ih = {}, const Tensor& b_hh = {});
DLCORE_API Tensor rnn_tanh_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh,
                                const Tensor& b_ih = {}, const Tensor& b_hh = {});
DLCORE_API Tensor rnn_relu_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh,
                                const Tensor& b_ih = {}, const Tensor& b_hh = {});

}  // namespace dlcore
