#include <cmath>

#include "core/dims.h"
#include "dlcore/module.h"
#include "dlcore/ops/activation.h"
#include "dlcore/ops/elementwise.h"
#include "dlcore/ops/indexing.h"
#include "dlcore/ops/linalg.h"
#include "dlcore/ops/nn.h"
#include "dlcore/ops/norm.h"
#include "dlcore/ops/pool.h"
#include "dlcore/ops/reduction.h"
#include "dlcore/ops/rnn.h"
#include "dlcore/ops/shape.h"
#include "io/json.h"
#include "nn/initial.h"

// Each layer: what it is made of, what it computes, and its class and arguments as PyTorch names them, which
// nn/program.cpp reads.
namespace dlcore::nn {
namespace {

double bound_of(int64_t fan_in) { return 1 / std::sqrt(static_cast<double>(fan_in)); }

// A pair as an op's argument; it lives as long as the full expression.
struct Axes {
  Axes(Pair p) : values{p.height, p.width} {}
  operator IntSpan() const { return {values, 2}; }
  int64_t values[2];
};

Json json(Pair p) { return Json::array({p.height, p.width}); }

template <class T>
Json json(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

std::string layer(const char* type, Json::Members arguments = {}) {
  arguments.emplace(arguments.begin(), "type", type);
  return to_text(std::move(arguments));
}

}  // namespace

// ---- linear

namespace {

std::optional<int64_t> row_of(std::optional<int64_t> padding, int64_t count) {
  DLCORE_CHECK(!padding || (-count <= *padding && *padding < count), ValueError,
               "Embedding: padding_idx must be a row of ", count, ", but got ", padding.value_or(0));
  return padding;
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, bool with_bias)
    : in_features(positive("Linear", "in_features", in)),
      out_features(positive("Linear", "out_features", out)),
      weight(register_parameter("weight", uniform({out, in}, bound_of(in)))),
      bias(register_parameter("bias", with_bias ? uniform({out}, bound_of(in)) : Tensor())) {}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }

std::string Linear::description() const {
  return layer("Linear", {{"in_features", in_features}, {"out_features", out_features}, {"bias", bias.defined()}});
}

Embedding::Embedding(int64_t count, int64_t dim, std::optional<int64_t> padding)
    : num_embeddings(positive("Embedding", "num_embeddings", count)),
      embedding_dim(positive("Embedding", "embedding_dim", dim)),
      padding_idx(padding),
      weight(register_parameter("weight", gaussian({count, dim}, row_of(padding, count)))) {}

Tensor Embedding::forward(const Tensor& x) { return embedding(x, weight, padding_idx); }

std::string Embedding::description() const {
  return layer(
      "Embedding",
      {{"num_embeddings", num_embeddings}, {"embedding_dim", embedding_dim}, {"padding_idx", json(padding_idx)}});
}

// ---- convolution and pooling

namespace {

// The number of elements of a filter, out of arguments that are checked.
int64_t filter_size(int64_t in, int64_t out, Pair kernel, int64_t groups) {
  positive("Conv2d", "groups", groups);
  positive("Conv2d", "kernel_size", std::min(kernel.height, kernel.width));
  DLCORE_CHECK(in > 0 && in % groups == 0, ValueError,
               "Conv2d: in_channels must be positive and divisible by groups = ", groups, ", but got ", in);
  DLCORE_CHECK(out > 0 && out % groups == 0, ValueError,
               "Conv2d: out_channels must be positive and divisible by groups = ", groups, ", but got ", out);
  return checked_numel("Conv2d", {in / groups, kernel.height, kernel.width});
}

}  // namespace

Padding::Padding(const std::string& mode) : zeros(0), same(mode == "same") {
  DLCORE_CHECK(same || mode == "valid", ValueError,
               "Conv2d: padding must be numbers, \"valid\" or \"same\", but got \"", mode, "\"");
}

Conv2d::Conv2d(int64_t in, int64_t out, Pair kernel, const Conv2dOptions& o)
    : in_channels(in),
      out_channels(out),
      kernel_size(kernel),
      options(o),
      weight(register_parameter("weight",
                                uniform({out, in / positive("Conv2d", "groups", o.groups), kernel.height, kernel.width},
                                        bound_of(filter_size(in, out, kernel, o.groups))))),
      bias(register_parameter("bias",
                              o.bias ? uniform({out}, bound_of(filter_size(in, out, kernel, o.groups))) : Tensor())) {
  DLCORE_CHECK(!o.padding.same || (o.stride.height == 1 && o.stride.width == 1), ValueError,
               "Conv2d: padding \"same\" needs stride 1");
}

Tensor Conv2d::forward(const Tensor& x) {
  const Axes stride(options.stride), dilation(options.dilation);
  if (options.padding.same) return conv2d(x, weight, bias, stride, "same", dilation, options.groups);
  return conv2d(x, weight, bias, stride, Axes(options.padding.zeros), dilation, options.groups);
}

std::string Conv2d::description() const {
  return layer("Conv2d", {{"in_channels", in_channels},
                          {"out_channels", out_channels},
                          {"kernel_size", json(kernel_size)},
                          {"stride", json(options.stride)},
                          {"padding", options.padding.same ? Json("same") : json(options.padding.zeros)},
                          {"dilation", json(options.dilation)},
                          {"groups", options.groups},
                          {"bias", options.bias}});
}

Tensor MaxPool2d::forward(const Tensor& x) {
  return max_pool2d(x, Axes(kernel_size), IntSpan(Axes(options.stride.value_or(kernel_size))), Axes(options.padding),
                    Axes(options.dilation), options.ceil_mode);
}

std::string MaxPool2d::description() const {
  return layer("MaxPool2d", {{"kernel_size", json(kernel_size)},
                             {"stride", json(options.stride.value_or(kernel_size))},
                             {"padding", json(options.padding)},
                             {"dilation", json(options.dilation)},
                             {"ceil_mode", options.ceil_mode}});
}

Tensor AvgPool2d::forward(const Tensor& x) {
  return avg_pool2d(x, Axes(kernel_size), IntSpan(Axes(options.stride.value_or(kernel_size))), Axes(options.padding),
                    options.ceil_mode, options.count_include_pad, options.divisor_override);
}

std::string AvgPool2d::description() const {
  return layer("AvgPool2d", {{"kernel_size", json(kernel_size)},
                             {"stride", json(options.stride.value_or(kernel_size))},
                             {"padding", json(options.padding)},
                             {"ceil_mode", options.ceil_mode},
                             {"count_include_pad", options.count_include_pad},
                             {"divisor_override", json(options.divisor_override)}});
}

// ---- normalization

BatchNorm::BatchNorm(const char* kind, int64_t least_dims, int64_t most_dims, int64_t n, const BatchNormOptions& o)
    : num_features(positive(kind, "num_features", n)),
      options(o),
      weight(register_parameter("weight", o.affine ? constant({n}, 1.0) : Tensor())),
      bias(register_parameter("bias", o.affine ? constant({n}, 0.0) : Tensor())),
      running_mean(register_buffer("running_mean", o.track_running_stats ? constant({n}, 0.0) : Tensor())),
      running_var(register_buffer("running_var", o.track_running_stats ? constant({n}, 1.0) : Tensor())),
      num_batches_tracked(
          register_buffer("num_batches_tracked", o.track_running_stats ? constant({}, int64_t{0}) : Tensor())),
      kind_(kind),
      least_dims_(least_dims),
      most_dims_(most_dims) {}

Tensor BatchNorm::forward(const Tensor& x) {
  DLCORE_CHECK(x.dim() >= least_dims_ && x.dim() <= most_dims_, ValueError, kind_, ": input must have ", least_dims_,
               " to ", most_dims_, " dimensions, but got shape ", x.sizes());
  const bool tracking = options.track_running_stats;
  if (is_training() && tracking) add_(num_batches_tracked, number(1));
  return batch_norm(x, weight, bias, running_mean, running_var, is_training() || !tracking, options.momentum,
                    options.eps);
}

std::string BatchNorm::description() const {
  return layer(kind_, {{"num_features", num_features},
                       {"eps", options.eps},
                       {"momentum", options.momentum},
                       {"affine", options.affine},
                       {"track_running_stats", options.track_running_stats}});
}

LayerNorm::LayerNorm(std::vector<int64_t> shape, const LayerNormOptions& o)
    : normalized_shape(std::move(shape)),
      options(o),
      weight(register_parameter("weight", o.elementwise_affine ? constant(normalized_shape, 1.0) : Tensor())),
      bias(register_parameter("bias", o.elementwise_affine && o.bias ? constant(normalized_shape, 0.0) : Tensor())) {}

Tensor LayerNorm::forward(const Tensor& x) { return layer_norm(x, normalized_shape, weight, bias, options.eps); }

std::string LayerNorm::description() const {
  return layer("LayerNorm", {{"normalized_shape", Json::array(normalized_shape)},
                             {"eps", options.eps},
                             {"elementwise_affine", options.elementwise_affine},
                             {"bias", options.bias}});
}

// ---- without parameters

Dropout::Dropout(double p) : p(p) {
  DLCORE_CHECK(p >= 0 && p <= 1, ValueError, "Dropout: p must be between 0 and 1, but got ", p);
}
Tensor Dropout::forward(const Tensor& x) { return dropout(x, p, is_training()); }
std::string Dropout::description() const { return layer("Dropout", {{"p", p}}); }

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_dim, end_dim); }
std::string Flatten::description() const { return layer("Flatten", {{"start_dim", start_dim}, {"end_dim", end_dim}}); }

Tensor Softmax::forward(const Tensor& x) { return softmax(x, dim); }
std::string Softmax::description() const { return layer("Softmax", {{"dim", dim}}); }

Tensor ReLU::forward(const Tensor& x) { return relu(x); }
std::string ReLU::description() const { return layer("ReLU"); }

Tensor Tanh::forward(const Tensor& x) { return tanh(x); }
std::string Tanh::description() const { return layer("Tanh"); }

Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x); }
std::string Sigmoid::description() const { return layer("Sigmoid"); }

Tensor GELU::forward(const Tensor& x) { return gelu(x, approximate); }
std::string GELU::description() const { return layer("GELU", {{"approximate", approximate}}); }

// ---- recurrent

namespace {
constexpr int64_t kMostLayers = 1000;  // a program may ask for any number
}

Recurrent::Recurrent(const char* kind, int64_t gates, int64_t input, int64_t hidden, const RecurrentOptions& o)
    : input_size(positive(kind, "input_size", input)),
      hidden_size(positive(kind, "hidden_size", hidden)),
      options(o),
      kind_(kind) {
  DLCORE_CHECK(o.num_layers > 0 && o.num_layers <= kMostLayers, ValueError, kind, ": num_layers must be from 1 to ",
               kMostLayers, ", but got ", o.num_layers);
  DLCORE_CHECK(o.dropout >= 0 && o.dropout <= 1, ValueError, kind, ": dropout must be between 0 and 1, but got ",
               o.dropout);
  DLCORE_CHECK(o.proj_size == 0 || gates == 4, ValueError, kind, ": only an LSTM has a proj_size");
  DLCORE_CHECK(o.proj_size >= 0 && o.proj_size < hidden, ValueError, kind,
               ": proj_size must be from 0 to below hidden_size = ", hidden, ", but got ", o.proj_size);
  const int64_t directions = o.bidirectional ? 2 : 1, out = o.proj_size ? o.proj_size : hidden;
  int64_t rows = 0, wide = 0;
  DLCORE_CHECK(!__builtin_mul_overflow(gates, hidden, &rows) && !__builtin_mul_overflow(directions, out, &wide),
               ValueError, kind, ": hidden_size is too large: ", hidden);
  const double bound = bound_of(hidden);
  for (int64_t i = 0; i < o.num_layers; ++i)
    for (int64_t d = 0; d < directions; ++d) {
      const std::string suffix = "_l" + std::to_string(i) + (d ? "_reverse" : "");
      const auto add = [&](const char* name, IntSpan sizes) {
        weights_.push_back(register_parameter(name + suffix, uniform(sizes, bound)));
      };
      add("weight_ih", {rows, i ? wide : input});
      add("weight_hh", {rows, out});
      if (o.bias) add("bias_ih", {rows}), add("bias_hh", {rows});
      if (o.proj_size) add("weight_hr", {out, hidden});
    }
}

std::string Recurrent::description() const {
  Json::Members arguments = {{"input_size", input_size},
                             {"hidden_size", hidden_size},
                             {"num_layers", options.num_layers},
                             {"bias", options.bias},
                             {"batch_first", options.batch_first},
                             {"dropout", options.dropout},
                             {"bidirectional", options.bidirectional}};
  if (options.proj_size) arguments.emplace_back("proj_size", options.proj_size);
  return layer(kind_, std::move(arguments));
}

namespace {
RnnOptions op_options(const RecurrentOptions& o, bool training) {
  return {o.bias, o.num_layers, o.dropout, training, o.bidirectional};
}
}  // namespace

std::tuple<Tensor, Tensor, Tensor> LSTM::run(const Tensor& x, const TensorList& states) {
  return lstm(x, states, weights_, op_options(options, is_training()), options.batch_first);
}

std::tuple<Tensor, Tensor> GRU::run(const Tensor& x, const Tensor& state) {
  return gru(x, state, weights_, op_options(options, is_training()), options.batch_first);
}

}  // namespace dlcore::nn
