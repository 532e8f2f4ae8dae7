#pragma once
#include <optional>

#include "dlcore/tensor.h"

namespace dlcore {

// Whether ops record what backward needs; per thread, on at start.
DLCORE_API bool is_grad_enabled();
DLCORE_API void set_grad_enabled(bool enabled);

// Turns recording off (or on) for a scope.
class DLCORE_API GradMode {
 public:
  explicit GradMode(bool enabled) : previous_(is_grad_enabled()) { set_grad_enabled(enabled); }
  ~GradMode() { set_grad_enabled(previous_); }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};

// Adds d(sum_i <roots_i, gradients_i>)/d(leaf) to the grad of every leaf (or only of `inputs`, where given).
DLCORE_API void backward(const TensorList& roots, const TensorList& gradients = {},
                         std::optional<bool> retain_graph = {}, bool create_graph = false,
                         const TensorList& inputs = {});

// d(sum_i <outputs_i, grad_outputs_i>)/d(inputs_j), touching nobody's grad. An input that the outputs don't depend on
// is an error unless allow_unused, and then undefined.
DLCORE_API TensorList grad(const TensorList& outputs, const TensorList& inputs, const TensorList& grad_outputs = {},
                           std::optional<bool> retain_graph = {}, bool create_graph = false, bool allow_unused = false);

// Anomaly mode, for the whole process: every op remembers where it was called, and a backward that fails tells. With
// check_nan, the first op is named whose result has a NaN though none of its inputs has one, and the first whose
// backward makes one: RuntimeError. Only ops that record themselves for backward are watched. Slow.
DLCORE_API void set_anomaly_mode(bool enabled, bool check_nan = true);
DLCORE_API bool is_anomaly_enabled();
DLCORE_API bool is_anomaly_check_nan_enabled();

}  // namespace dlcore
