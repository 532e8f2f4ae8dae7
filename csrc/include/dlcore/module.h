#pragma once
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "dlcore/serialize.h"
#include "dlcore/tensor.h"

// Modules: tensors with names, and what is computed from them. Arguments, defaults, initial distributions and the names
// in state_dict are those of PyTorch's classes, so that weights move between them, dlcore's Python and C++.
//
//   struct Net : nn::Module {
//     nn::Linear hidden{2, 16}, out{16, 1};
//     Net() { register_module("hidden", hidden), register_module("out", out); }
//     Tensor forward(const Tensor& x) override { return out(tanh(hidden(x))); }
//   };
namespace dlcore::nn {

class DLCORE_API Module {
 public:
  Module() = default;
  virtual ~Module();
  Module(const Module&) = delete;  // parents know their children by address
  Module& operator=(const Module&) = delete;

  virtual Tensor forward(const Tensor& input);  // NotImplementedError unless overridden
  Tensor operator()(const Tensor& input) { return forward(input); }

  using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
  // Of this module and those inside it, in the order of registration, each tensor once: "out.weight".
  NamedTensors named_parameters() const;
  NamedTensors named_buffers() const;
  TensorList parameters() const;
  TensorList buffers() const;
  void zero_grad();  // no parameter has a grad afterwards

  // Dropout and batch normalization compute something else in training, which is how modules begin.
  Module& train(bool on = true);
  Module& eval() { return train(false); }
  bool is_training() const { return training_; }

  // Parameters and buffers by name; the tensors share memory with the module's.
  TensorMap state_dict() const;
  // Copies values out of `state`; or, with `assign`, takes over its memory. RuntimeError, before anything is changed,
  // naming every shape that differs and, where strict, every name that is missing or has no place.
  void load_state_dict(const TensorMap& state, bool strict = true, bool assign = false);

  // The module as a layer of a saved program (docs/embedding.md), in JSON; NotImplementedError for a class of yours.
  virtual std::string description() const;

 protected:
  // An undefined tensor is not registered. The result is the tensor itself.
  Tensor register_parameter(const std::string& name, Tensor tensor);
  Tensor register_buffer(const std::string& name, Tensor tensor);
  // `module` must live as long as this: it usually is a member.
  void register_module(const std::string& name, Module& module);

 private:
  template <class Visit>
  void walk(const std::string& prefix, const Visit& visit) const;
  NamedTensors collect(bool parameters, bool buffers) const;
  void check_name(const std::string& name) const;

  NamedTensors parameters_, buffers_;
  std::vector<std::pair<std::string, Module*>> modules_;
  bool training_ = true;
};

// Modules one after another, named "0", "1", ...: net.add<Linear>(2, 16).add<Tanh>().add<Linear>(16, 1).
class DLCORE_API Sequential : public Module {
 public:
  template <class M, class... Arguments>
  Sequential& add(Arguments&&... arguments) {
    return own(new M(std::forward<Arguments>(arguments)...));
  }
  // Takes over the module that a std::unique_ptr holds. (Its header, <memory>, costs as much as all of these together.)
  template <class UniquePtr>
  Sequential& add(UniquePtr module) {
    return own(module.release());
  }
  Sequential() = default;
  ~Sequential() override;

  int64_t size() const { return static_cast<int64_t>(layers_.size()); }
  Module& operator[](int64_t i) const;
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  // A file that holds the layers as well as their weights; load gives a module in eval mode, also of what Python's
  // dlcore.export wrote. ValueError if the file is no such one. With mmap the weights lie in the file's mapping into
  // memory, which processes share, but which depends on the file (dlcore/serialize.h); otherwise they are read.
  void save(const std::string& path) const;
  static Sequential load(const std::string& path, bool mmap = false);

 private:
  Sequential(const std::string& path, bool mmap);
  Sequential& own(Module* module);

  std::vector<Module*> layers_;
};

// ---- layers; where a formula is not said, it stands with the op of that name (dlcore/ops/*.h)

// One number for both axes, or height and width.
struct Pair {
  int64_t height, width;
  Pair(int64_t both) : height(both), width(both) {}
  Pair(int64_t height, int64_t width) : height(height), width(width) {}
};

// y = x weight^T + bias: (*, in) to (*, out). Both from U(-k, k), k = 1 / sqrt(in).
class DLCORE_API Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool bias = true);
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const int64_t in_features, out_features;
  const Tensor weight, bias;  // (out, in), (out)
};

// Zeros on both sides of each axis; "valid" for none, "same" for an output of the input's size (with stride 1), where
// an odd one goes below or to the right.
struct Padding {
  Pair zeros;
  bool same = false;
  Padding(Pair zeros) : zeros(zeros) {}
  Padding(int64_t both) : zeros(both) {}
  Padding(int64_t height, int64_t width) : zeros(height, width) {}
  DLCORE_API Padding(const std::string& mode);  // ValueError for another mode
  template <size_t N>
  Padding(const char (&mode)[N]) : Padding(std::string(mode)) {}
};

struct Conv2dOptions {
  Pair stride = 1;
  Padding padding = 0;
  Pair dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};
// (N, in, H, W) to (N, out, H', W'). Both from U(-k, k), k = 1 / sqrt(elements of a filter).
class DLCORE_API Conv2d : public Module {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Pair kernel_size, const Conv2dOptions& options = {});
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const int64_t in_channels, out_channels;
  const Pair kernel_size;
  const Conv2dOptions options;
  const Tensor weight, bias;  // (out, in / groups, kH, kW), (out)
};

struct MaxPool2dOptions {
  std::optional<Pair> stride = {};  // none: the kernel_size
  Pair padding = 0, dilation = 1;
  bool ceil_mode = false;
};
class DLCORE_API MaxPool2d : public Module {
 public:
  MaxPool2d(Pair kernel_size, const MaxPool2dOptions& options = {}) : kernel_size(kernel_size), options(options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const Pair kernel_size;
  const MaxPool2dOptions options;
};

struct AvgPool2dOptions {
  std::optional<Pair> stride = {};  // none: the kernel_size
  Pair padding = 0;
  bool ceil_mode = false, count_include_pad = true;
  std::optional<int64_t> divisor_override = {};
};
class DLCORE_API AvgPool2d : public Module {
 public:
  AvgPool2d(Pair kernel_size, const AvgPool2dOptions& options = {}) : kernel_size(kernel_size), options(options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const Pair kernel_size;
  const AvgPool2dOptions options;
};

struct BatchNormOptions {
  double eps = 1e-5, momentum = 0.1;
  bool affine = true, track_running_stats = true;
};
// weight 1 and bias 0 where affine; running_mean, running_var and num_batches_tracked where they are tracked.
class DLCORE_API BatchNorm : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const int64_t num_features;
  const BatchNormOptions options;
  const Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 protected:
  BatchNorm(const char* kind, int64_t least_dims, int64_t most_dims, int64_t num_features,
            const BatchNormOptions& options);

 private:
  const char* kind_;
  int64_t least_dims_, most_dims_;
};
class DLCORE_API BatchNorm1d : public BatchNorm {  // (N, C) or (N, C, L)
 public:
  BatchNorm1d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm1d", 2, 3, num_features, options) {}
};
class DLCORE_API BatchNorm2d : public BatchNorm {  // (N, C, H, W)
 public:
  BatchNorm2d(int64_t num_features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm2d", 4, 4, num_features, options) {}
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true, bias = true;
};
// Over the last dimensions, which are normalized_shape. weight 1, bias 0.
class DLCORE_API LayerNorm : public Module {
 public:
  LayerNorm(std::vector<int64_t> normalized_shape, const LayerNormOptions& options = {});
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const std::vector<int64_t> normalized_shape;
  const LayerNormOptions options;
  const Tensor weight, bias;
};

// Rows of weight, drawn from N(0, 1): integers (*) to (*, embedding_dim). The row padding_idx begins as zeros and gets
// no gradient.
class DLCORE_API Embedding : public Module {
 public:
  Embedding(int64_t num_embeddings, int64_t embedding_dim, std::optional<int64_t> padding_idx = {});
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const int64_t num_embeddings, embedding_dim;
  const std::optional<int64_t> padding_idx;
  const Tensor weight;  // (num_embeddings, embedding_dim)
};

class DLCORE_API Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const double p;
};

class DLCORE_API Flatten : public Module {
 public:
  explicit Flatten(int64_t start_dim = 1, int64_t end_dim = -1) : start_dim(start_dim), end_dim(end_dim) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const int64_t start_dim, end_dim;
};

class DLCORE_API Softmax : public Module {
 public:
  explicit Softmax(int64_t dim) : dim(dim) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const int64_t dim;
};

class DLCORE_API ReLU : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
};
class DLCORE_API Tanh : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
};
class DLCORE_API Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
};
class DLCORE_API GELU : public Module {
 public:
  explicit GELU(std::string approximate = "none") : approximate(std::move(approximate)) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;

  const std::string approximate;  // or "tanh"
};

struct RecurrentOptions {
  int64_t num_layers = 1;
  bool bias = true, batch_first = false;
  double dropout = 0;  // between layers
  bool bidirectional = false;
  int64_t proj_size = 0;  // of an LSTM: h is W_hr h, of this size below hidden_size; 0 for none
};
// Layers on top of each other (dlcore/ops/rnn.h): (steps, batch, input_size), or (batch, steps, input_size) with
// batch_first, to (steps, batch, directions * out), where out is hidden_size, or proj_size where there is one.
// Parameters weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0, ... from U(-k, k), k = 1 /
// sqrt(hidden_size).
class DLCORE_API Recurrent : public Module {
 public:
  std::string description() const override;

  const int64_t input_size, hidden_size;
  const RecurrentOptions options;

 protected:
  Recurrent(const char* kind, int64_t gates, int64_t input_size, int64_t hidden_size, const RecurrentOptions& options);
  TensorList weights_;  // as the op takes them

 private:
  const char* kind_;
};

class DLCORE_API LSTM : public Recurrent {
 public:
  LSTM(int64_t input_size, int64_t hidden_size, const RecurrentOptions& options = {})
      : Recurrent("LSTM", 4, input_size, hidden_size, options) {}
  // y, and the states after the last step, to begin with next time: h (layers * directions, batch, out) and c (layers *
  // directions, batch, hidden_size).
  std::tuple<Tensor, Tensor, Tensor> run(const Tensor& input, const TensorList& states = {});
  Tensor forward(const Tensor& input) override { return std::get<0>(run(input)); }
};

class DLCORE_API GRU : public Recurrent {
 public:
  GRU(int64_t input_size, int64_t hidden_size, const RecurrentOptions& options = {})
      : Recurrent("GRU", 3, input_size, hidden_size, options) {}
  std::tuple<Tensor, Tensor> run(const Tensor& input, const Tensor& state = {});
  Tensor forward(const Tensor& input) override { return std::get<0>(run(input)); }
};

}  // namespace dlcore::nn
