#include "dlcore/ops/rnn.h"

#include "bindings/op.h"

namespace dlcore::bindings {
namespace {

// PyTorch's positional arguments; hx may be empty for zeros.
constexpr auto lstm_dense = [](const Tensor& input, const TensorList& hx, const TensorList& params, bool has_biases,
                               int64_t num_layers, double dropout, bool train, bool bidirectional, bool batch_first) {
  return lstm(input, hx, params, {has_biases, num_layers, dropout, train, bidirectional}, batch_first);
};
constexpr auto lstm_packed = [](const Tensor& data, const Tensor& batch_sizes, const TensorList& hx,
                                const TensorList& params, bool has_biases, int64_t num_layers, double dropout,
                                bool train, bool bidirectional) {
  return lstm(data, batch_sizes, hx, params, {has_biases, num_layers, dropout, train, bidirectional});
};

using Dense = std::tuple<Tensor, Tensor> (*)(const Tensor&, const Tensor&, const TensorList&, const RnnOptions&, bool);
using Packed = std::tuple<Tensor, Tensor> (*)(const Tensor&, const Tensor&, const Tensor&, const TensorList&,
                                              const RnnOptions&);
template <Dense F>
constexpr auto dense = [](const Tensor& input, const Tensor& hx, const TensorList& params, bool has_biases,
                          int64_t num_layers, double dropout, bool train, bool bidirectional, bool batch_first) {
  return F(input, hx, params, {has_biases, num_layers, dropout, train, bidirectional}, batch_first);
};
template <Packed F>
constexpr auto packed = [](const Tensor& data, const Tensor& batch_sizes, const Tensor& hx, const TensorList& params,
                           bool has_biases, int64_t num_layers, double dropout, bool train, bool bidirectional) {
  return F(data, batch_sizes, hx, params, {has_biases, num_layers, dropout, train, bidirectional});
};

template <Dense D, Packed P>
void bind_stack(Ops& ops, const char* name) {
  ops.function<dense<D>, packed<P>>(
      name, {"(Tensor input, Tensor? hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, "
             "bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
             "(Tensor data, Tensor batch_sizes, Tensor? hx, Tensor[] params, bool has_biases, int num_layers, "
             "float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)"});
}

}  // namespace

void bind_rnn(Ops& ops) {
  ops.function<lstm_dense, lstm_packed>(
      "lstm",
      {"(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, "
       "bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
       "(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, "
       "float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)"});
  bind_stack<gru, gru>(ops, "gru");
  bind_stack<rnn_tanh, rnn_tanh>(ops, "rnn_tanh");
  bind_stack<rnn_relu, rnn_relu>(ops, "rnn_relu");
  ops.function<&lstm_cell>(
      "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
      "(Tensor, Tensor)");
  ops.function<&gru_cell>(
      "gru_cell(Tensor input, Tensor? hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor");
  ops.function<&rnn_tanh_cell>(
      "rnn_tanh_cell(Tensor input, Tensor? hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
      "Tensor");
  ops.function<&rnn_relu_cell>(
      "rnn_relu_cell(Tensor input, Tensor? hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "
      "Tensor");
}

}  // namespace dlcore::bindings
