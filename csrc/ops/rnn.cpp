// Recurrent layers: a layer of a whole sequence is one kernel call and one node.
#include "dlcore/ops/rnn.h"

#include <array>

#include "core/allocator.h"
#include "core/launch.h"
#include "core/packed.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

using kernel::Rnn;
using kernel::RnnBackward;
using kernel::RnnCell;
using kernel::RnnForward;

constexpr size_t kParameters = 5;  // w_ih, w_hh, b_ih, b_hh, w_hr; undefined where there is none
const char* const kNames[kParameters] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
using Parameters = std::array<Tensor, kParameters>;

// One layer: what goes in, and the shapes of what comes out.
struct Layer {
  const char* op;
  Rnn g;
  Tensor batch_sizes;  // int64, contiguous; undefined where all steps have the whole batch
  Tensor x, h0, c0;    // contiguous; h0 and c0 may be undefined
  std::array<Parameters, 2> parameters;
};

struct States {
  Tensor y, hn, cn;
};

void* data_or_null(const Tensor& t) { return t.defined() ? t.raw_data() : nullptr; }

template <class P, class Get>
kernel::RnnParameters<P> pointers(const Get& get) {
  return {get(0), get(1), get(2), get(3), get(4)};
}

// The weights as the forward kernel reads them; without a graph they are kept for the next call.
struct PackedWeights {
  std::vector<std::shared_ptr<const Workspace>> memory;

  const void* operator()(const Rnn& g, kernel::RnnWeight which, const Tensor& w) {
    if (!w.defined()) return nullptr;
    const KernelTable& table = kernels();
    memory.push_back(packed(w, !g.keep, Key{which, g.dtype, g.cell, g.input, g.hidden, g.projection, &table},
                            table.rnn_packed_size(g, which),
                            [&](void* to) { table.rnn_pack(g, which, w.raw_data(), to); }));
    return memory.back()->data();
  }

 private:
  struct Key {
    kernel::RnnWeight which;
    DType dtype;
    RnnCell cell;
    int64_t input, hidden, projection;
    const KernelTable* tier;
    bool operator==(const Key&) const = default;
  };
};

// Multiplications of one pass over all rows; backward makes two.
Cost cost(const Rnn& g, int passes) {
  const double rows = static_cast<double>(g.total), units = static_cast<double>(g.gates() * g.hidden);
  const double weights = units * static_cast<double>(g.input + g.out()) + static_cast<double>(g.projection * g.hidden);
  const double passed = passes * static_cast<double>(g.directions);
  return {passed * static_cast<double>(item_size(g.dtype)) * (rows * units + weights), passed * 2 * rows * weights};
}

// What a node keeps: the layer's tensors in the order of the node's inputs, the results and the kernel's own.
struct Kept {
  std::vector<Saved> inputs;
  Saved y;
  std::array<Tensor, 2> gates, cells, full;
};

RnnForward forward_arguments(const Rnn& g, const TensorList& in, const States& s, const Kept& kept) {
  RnnForward f{};
  f.x = in[0].raw_data();
  f.h0 = data_or_null(in[1]);
  f.c0 = data_or_null(in[2]);
  f.y = s.y.raw_data();
  f.hn = data_or_null(s.hn);
  f.cn = data_or_null(s.cn);
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d) {
    f.parameters[d] = pointers<const void*>([&](size_t i) { return data_or_null(in[3 + d * kParameters + i]); });
    f.kept[d] = {data_or_null(kept.gates[d]), data_or_null(kept.cells[d]), data_or_null(kept.full[d])};
  }
  return f;
}

void backward(const char* op, const Rnn& g, const Kept& kept, bool has_hn, Gradients& grads) {
  DLCORE_CHECK(!is_grad_enabled(), NotImplementedError, op,
               ": the gradient is not differentiable again; expected create_graph=False");
  TensorList in;
  for (const Saved& s : kept.inputs) in.push_back(s.defined() ? s() : Tensor());
  RnnBackward a{};
  a.forward = forward_arguments(g, in, {kept.y(), {}, {}}, kept);
  std::array<Tensor, 3> dy;  // of y, hn, cn
  for (int i = 0, output = 0; i < 3; ++i) {
    if (i == 1 && !has_hn) continue;
    if (i == 2 && g.cell != RnnCell::Lstm) continue;
    if (grads.has_dy(output)) dy[static_cast<size_t>(i)] = contiguous(grads.dy(output));
    ++output;
  }
  a.dy = data_or_null(dy[0]);
  a.dhn = data_or_null(dy[1]);
  a.dcn = data_or_null(dy[2]);
  const auto gradient = [&](size_t i) -> void* {
    if (!in[i].defined()) return nullptr;
    grads.set(i, [&] { return new_tensor(in[i].sizes(), g.dtype); });
    return data_or_null(grads.results()[i]);
  };
  a.dx = gradient(0);
  a.dh0 = gradient(1);
  a.dc0 = gradient(2);
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d)
    a.gradients[d] = pointers<void*>([&](size_t i) { return gradient(3 + d * kParameters + i); });
  const Workspace scratch(kernels().rnn_workspace(g, true));
  launch(op, cost(g, 2), [&] { kernels().rnn_backward(g, a, scratch.data()); });
}

// y is (..., directions * out); hn is not made where y is all that is asked for.
States run(Layer layer, IntSpan y_sizes, IntSpan h_sizes, IntSpan c_sizes) {
  Rnn& g = layer.g;
  TensorList in{layer.x, layer.h0, layer.c0};
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d)
    in.insert(in.end(), layer.parameters[d].begin(), layer.parameters[d].end());
  g.keep = needs_graph(in);
  g.batch_sizes = layer.batch_sizes.defined() ? layer.batch_sizes.data<int64_t>() : nullptr;
  const auto make = [&](IntSpan sizes) { return new_tensor(sizes, g.dtype); };
  const bool has_hn = h_sizes.size() > 0, has_cn = g.cell == RnnCell::Lstm;
  States s{make(y_sizes), has_hn ? make(h_sizes) : Tensor(), has_cn ? make(c_sizes) : Tensor()};
  Kept kept;
  for (size_t d = 0; g.keep && d < static_cast<size_t>(g.directions); ++d) {
    if (g.kept()) kept.gates[d] = make({g.total, g.kept() * g.hidden});
    if (has_cn) kept.cells[d] = make({g.total, g.hidden});
    if (g.projection) kept.full[d] = make({g.total, g.hidden});
  }
  const Workspace scratch(kernels().rnn_workspace(g, false));
  launch(layer.op, cost(g, 1), [&] {
    RnnForward f = forward_arguments(g, in, s, kept);
    PackedWeights weights;
    for (int d = 0; d < g.directions; ++d) {
      const Parameters& p = layer.parameters[static_cast<size_t>(d)];
      f.parameters[d].w_ih = weights(g, kernel::RnnWeight::Input, p[0]);
      f.parameters[d].w_hh = weights(g, kernel::RnnWeight::Recurrent, p[1]);
      f.parameters[d].w_hr = weights(g, kernel::RnnWeight::Projection, p[4]);
    }
    kernels().rnn_forward(g, f, scratch.data());
  });
  if (!g.keep) return s;

  for (const Tensor& t : in) kept.inputs.emplace_back(t);
  kept.y = Saved::output(s.y);
  const auto node = [op = layer.op, g, sizes = layer.batch_sizes, kept = std::move(kept), has_hn](Gradients& grads) {
    backward(op, g, kept, has_hn, grads);
  };
  if (has_hn && has_cn)
    record(layer.op, {&s.y, &s.hn, &s.cn}, in, node);
  else if (has_hn || has_cn)
    record(layer.op, {&s.y, has_hn ? &s.hn : &s.cn}, in, node);
  else
    record(layer.op, s.y, in, node);
  return s;
}

// ---- checks

void check_state(const char* op, const char* what, const Tensor& t, IntSpan sizes, DType dtype) {
  if (!t.defined()) return;
  DLCORE_CHECK(t.sizes() == sizes, RuntimeError, op, ": ", what, " has the wrong size; expected ", sizes, " but got ",
               t.sizes());
  DLCORE_CHECK(t.dtype() == dtype, RuntimeError, op, ": ", what, " must have the input's dtype; expected ", name(dtype),
               " but got ", name(t.dtype()));
}

void check_input(const char* op, const Tensor& t, int64_t dims) {
  DLCORE_CHECK(is_floating(t.dtype()), TypeError, op, ": input must be floating point, but got ", name(t.dtype()));
  DLCORE_CHECK(t.dim() == dims, RuntimeError, op, ": input must have ", dims, " dimensions, but got shape ", t.sizes());
}

// The first parameters of a layer tell its sizes, and all others are compared with them.
void check_parameters(const Layer& l, const Parameters& p, DType dtype) {
  const Rnn& g = l.g;
  const int64_t rows = g.gates() * g.hidden;
  const Dims expected[kParameters] = {{rows, g.input}, {rows, g.out()}, {rows}, {rows}, {g.projection, g.hidden}};
  for (size_t i = 0; i < kParameters; ++i) {
    if (!p[i].defined()) continue;
    DLCORE_CHECK(p[i].sizes() == IntSpan(expected[i]), RuntimeError, l.op, ": ", kNames[i],
                 " has the wrong shape; expected ", expected[i], " but got ", p[i].sizes());
    DLCORE_CHECK(p[i].dtype() == dtype, RuntimeError, l.op, ": ", kNames[i], " must have the input's dtype; expected ",
                 name(dtype), " but got ", name(p[i].dtype()));
  }
}

// hidden and projection, as the parameters have them.
void set_sizes(Layer& l, const Parameters& p) {
  Rnn& g = l.g;
  DLCORE_CHECK(p[0].dim() == 2 && p[1].dim() == 2, RuntimeError, l.op,
               ": weight_ih and weight_hh must be matrices, but got shapes ", p[0].sizes(), " and ", p[1].sizes());
  if (p[4].defined())
    DLCORE_CHECK(p[4].dim() == 2 && p[4].size(0) > 0, RuntimeError, l.op,
                 ": weight_hr must be a matrix with at least one row, but got shape ", p[4].sizes());
  g.projection = p[4].defined() ? p[4].size(0) : 0;
  g.hidden = p[4].defined() ? p[4].size(1) : p[1].size(1);
  DLCORE_CHECK(g.hidden > 0, RuntimeError, l.op, ": the hidden size must be positive, but weight_hh has shape ",
               p[1].sizes());
}

Tensor prepared(const Tensor& t, DType dtype) { return t.defined() ? contiguous(to_dtype(t, dtype)) : t; }

// ---- stacks of layers

// What the four stacks are called with, in one form.
struct Stack {
  const char* op;
  RnnCell cell;
  Tensor input, batch_sizes;  // input (steps, batch, features), or with batch_sizes (rows, features)
  Tensor h0, c0;
  const TensorList& params;
  const RnnOptions& options;
};

// steps, batch, total and the sizes of each step.
void set_sequence(const Stack& s, Layer& l) {
  Rnn& g = l.g;
  if (!s.batch_sizes.defined()) {
    g.steps = s.input.size(0), g.batch = s.input.size(1), g.total = g.steps * g.batch;
    DLCORE_CHECK(g.steps > 0, RuntimeError, s.op, ": expected a sequence length larger than 0, but got input of shape ",
                 s.input.sizes());
    return;
  }
  const Tensor& sizes = s.batch_sizes;
  DLCORE_CHECK(sizes.dtype() == DType::Int64 && sizes.dim() == 1 && sizes.numel() > 0, RuntimeError, s.op,
               ": batch_sizes must be a one-dimensional int64 tensor with at least one element, but got ",
               name(sizes.dtype()), " of shape ", sizes.sizes());
  l.batch_sizes = clone(sizes.detach());  // backward reads it again
  const int64_t* size = l.batch_sizes.data<int64_t>();
  g.steps = sizes.numel(), g.batch = size[0], g.total = s.input.size(0);
  int64_t rest = g.total;
  for (int64_t t = 0; t < g.steps; ++t) {
    DLCORE_CHECK(size[t] > 0 && (t == 0 || size[t] <= size[t - 1]), RuntimeError, s.op,
                 ": batch_sizes must be positive and must not rise, but entry ", t, " is ", size[t]);
    DLCORE_CHECK(size[t] <= rest, RuntimeError, s.op, ": batch_sizes must add up to the rows of the input, ", g.total);
    rest -= size[t];
  }
  DLCORE_CHECK(rest == 0, RuntimeError, s.op, ": batch_sizes must add up to the rows of the input; expected ", g.total,
               " but got ", g.total - rest);
}

Tensor join(const TensorList& list) { return list.size() == 1 ? list[0] : cat(list, 0); }

States run_stack(const Stack& s) {
  const RnnOptions& o = s.options;
  const bool packed = s.batch_sizes.defined(), lstm = s.cell == RnnCell::Lstm;
  check_input(s.op, s.input, packed ? 2 : 3);
  DLCORE_CHECK(o.num_layers > 0, ValueError, s.op, ": num_layers must be positive, but got ", o.num_layers);
  DLCORE_CHECK(o.dropout >= 0 && o.dropout <= 1, ValueError, s.op, ": dropout must be in [0, 1], but got ", o.dropout);
  const int64_t directions = o.bidirectional ? 2 : 1;
  const int64_t chains = checked_numel(s.op, {o.num_layers, directions});
  const size_t plain = o.biases ? 4 : 2;
  const size_t each = s.params.size() / static_cast<size_t>(chains);
  DLCORE_CHECK(each * static_cast<size_t>(chains) == s.params.size() && (each == plain || (lstm && each == plain + 1)),
               RuntimeError, s.op, ": params must hold ", plain, " tensors for each of ", o.num_layers, " layers and ",
               directions, " directions", lstm ? ", or one more with projections" : "", ", but got ", s.params.size());

  const DType dtype = s.input.dtype(), compute = compute_dtype(dtype);
  Layer layer{s.op, {.dtype = compute, .cell = s.cell, .directions = directions}, {}, {}, {}, {}, {}};
  Rnn& g = layer.g;
  set_sequence(s, layer);
  Tensor x = prepared(s.input, compute);
  TensorList hn, cn;
  for (int64_t l = 0; l < o.num_layers; ++l) {
    g.input = x.size(-1);
    for (int64_t d = 0; d < directions; ++d) {
      const Tensor* from = &s.params[static_cast<size_t>(l * directions + d) * each];
      Parameters p;
      for (size_t i = 0; i < each; ++i) {
        const size_t slot = i == plain ? 4 : i;
        DLCORE_CHECK(from[i].defined(), RuntimeError, s.op, ": params must not hold None");
        p[slot] = from[i];
      }
      if (l == 0 && d == 0) {
        set_sizes(layer, p);
        check_state(s.op, "hidden state", s.h0, {chains, g.batch, g.out()}, dtype);
        check_state(s.op, "cell state", s.c0, {chains, g.batch, g.hidden}, dtype);
      }
      check_parameters(layer, p, dtype);
      for (size_t i = 0; i < kParameters; ++i) layer.parameters[static_cast<size_t>(d)][i] = prepared(p[i], compute);
    }
    const auto state = [&](const Tensor& t) {
      return t.defined() && o.num_layers > 1 ? prepared(narrow(t, 0, l * directions, directions), compute)
                                             : prepared(t, compute);
    };
    layer.x = l > 0 && o.dropout > 0 && o.train ? dropout(x, o.dropout, true) : x;
    layer.h0 = state(s.h0);
    layer.c0 = state(s.c0);
    Dims sizes = sizes_of(x);
    sizes[sizes.size() - 1] = directions * g.out();
    const States r = run(layer, sizes, Dims{directions, g.batch, g.out()}, Dims{directions, g.batch, g.hidden});
    x = r.y;
    hn.push_back(r.hn);
    if (lstm) cn.push_back(r.cn);
  }
  return {to_dtype(x, dtype), to_dtype(join(hn), dtype), lstm ? to_dtype(join(cn), dtype) : Tensor()};
}

States run_dense(Stack s, bool batch_first) {
  check_input(s.op, s.input, 3);
  if (batch_first) s.input = transpose(s.input, 0, 1);
  States r = run_stack(s);
  if (batch_first) r.y = transpose(r.y, 0, 1);
  return r;
}

void check_pair(const char* op, const TensorList& hx) {
  DLCORE_CHECK(hx.empty() || hx.size() == 2, RuntimeError, op, ": hx must be a pair (h0, c0), but got ", hx.size(),
               " tensors");
}
Tensor of_pair(const TensorList& hx, size_t i) { return hx.empty() ? Tensor() : hx[i]; }

std::tuple<Tensor, Tensor> two(const States& s) { return {s.y, s.hn}; }
std::tuple<Tensor, Tensor, Tensor> three(const States& s) { return {s.y, s.hn, s.cn}; }

// ---- cells: a sequence of one step

States run_cell(const char* op, RnnCell cell, const Tensor& input, const Tensor& h, const Tensor& c,
                const Parameters& p) {
  DLCORE_CHECK(is_floating(input.dtype()), TypeError, op, ": input must be floating point, but got ",
               name(input.dtype()));
  DLCORE_CHECK(input.dim() == 1 || input.dim() == 2, RuntimeError, op,
               ": input must have shape (batch, features) or (features), but got ", input.sizes());
  DLCORE_CHECK(p[2].defined() == p[3].defined(), RuntimeError, op, ": expected both bias_ih and bias_hh or neither");
  const bool batched = input.dim() == 2;
  const DType dtype = input.dtype(), compute = compute_dtype(dtype);
  const int64_t batch = batched ? input.size(0) : 1;
  Layer l{op, {.dtype = compute, .cell = cell, .steps = 1, .batch = batch, .input = input.size(-1), .total = batch},
          {}, {},
          {}, {},
          {}};
  set_sizes(l, p);
  check_parameters(l, p, dtype);
  const Dims sizes = batched ? Dims{batch, l.g.hidden} : Dims{l.g.hidden};
  check_state(op, "hidden state", h, sizes, dtype);
  check_state(op, "cell state", c, sizes, dtype);
  l.x = prepared(input, compute);
  l.h0 = prepared(h, compute);
  l.c0 = prepared(c, compute);
  for (size_t i = 0; i < kParameters; ++i) l.parameters[0][i] = prepared(p[i], compute);
  const States s = run(l, sizes, {}, sizes);
  return {to_dtype(s.y, dtype), {}, s.cn.defined() ? to_dtype(s.cn, dtype) : Tensor()};
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& input, const TensorList& hx, const TensorList& params,
                                        const RnnOptions& options, bool batch_first) {
  check_pair("lstm", hx);
  return three(
      run_dense({"lstm", RnnCell::Lstm, input, {}, of_pair(hx, 0), of_pair(hx, 1), params, options}, batch_first));
}
std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& data, const Tensor& batch_sizes, const TensorList& hx,
                                        const TensorList& params, const RnnOptions& options) {
  check_pair("lstm", hx);
  return three(run_stack({"lstm", RnnCell::Lstm, data, batch_sizes, of_pair(hx, 0), of_pair(hx, 1), params, options}));
}

std::tuple<Tensor, Tensor> gru(const Tensor& input, const Tensor& h0, const TensorList& params,
                               const RnnOptions& options, bool batch_first) {
  return two(run_dense({"gru", RnnCell::Gru, input, {}, h0, {}, params, options}, batch_first));
}
std::tuple<Tensor, Tensor> gru(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                               const TensorList& params, const RnnOptions& options) {
  return two(run_stack({"gru", RnnCell::Gru, data, batch_sizes, h0, {}, params, options}));
}

std::tuple<Tensor, Tensor> rnn_tanh(const Tensor& input, const Tensor& h0, const TensorList& params,
                                    const RnnOptions& options, bool batch_first) {
  return two(run_dense({"rnn_tanh", RnnCell::Tanh, input, {}, h0, {}, params, options}, batch_first));
}
std::tuple<Tensor, Tensor> rnn_tanh(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                                    const TensorList& params, const RnnOptions& options) {
  return two(run_stack({"rnn_tanh", RnnCell::Tanh, data, batch_sizes, h0, {}, params, options}));
}

std::tuple<Tensor, Tensor> rnn_relu(const Tensor& input, const Tensor& h0, const TensorList& params,
                                    const RnnOptions& options, bool batch_first) {
  return two(run_dense({"rnn_relu", RnnCell::Relu, input, {}, h0, {}, params, options}, batch_first));
}
std::tuple<Tensor, Tensor> rnn_relu(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                                    const TensorList& params, const RnnOptions& options) {
  return two(run_stack({"rnn_relu", RnnCell::Relu, data, batch_sizes, h0, {}, params, options}));
}

std::tuple<Tensor, Tensor> lstm_cell(const Tensor& input, const TensorList& hx, const Tensor& w_ih, const Tensor& w_hh,
                                     const Tensor& b_ih, const Tensor& b_hh) {
  check_pair("lstm_cell", hx);
  const States s =
      run_cell("lstm_cell", RnnCell::Lstm, input, of_pair(hx, 0), of_pair(hx, 1), {w_ih, w_hh, b_ih, b_hh, {}});
  return {s.y, s.cn};
}
Tensor gru_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                const Tensor& b_hh) {
  return run_cell("gru_cell", RnnCell::Gru, input, hx, {}, {w_ih, w_hh, b_ih, b_hh, {}}).y;
}
Tensor rnn_tanh_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                     const Tensor& b_hh) {
  return run_cell("rnn_tanh_cell", RnnCell::Tanh, input, hx, {}, {w_ih, w_hh, b_ih, b_hh, {}}).y;
}
Tensor rnn_relu_cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                     const Tensor& b_hh) {
  return run_cell("rnn_relu_cell", RnnCell::Relu, input, hx, {}, {w_ih, w_hh, b_ih, b_hh, {}}).y;
}

}  // namespace dlcore
