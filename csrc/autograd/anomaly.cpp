#include "autograd/node.h"
#include "core/launch.h"
#include "ops/sparse_rows.h"

namespace dlcore {

std::atomic<Anomaly> anomaly_mode{Anomaly::Off};

void set_anomaly_mode(bool enabled, bool check_nan) {
  anomaly_mode = !enabled ? Anomaly::Off : check_nan ? Anomaly::CheckNan : Anomaly::Trace;
}
bool is_anomaly_enabled() { return anomaly_mode != Anomaly::Off; }
bool is_anomaly_check_nan_enabled() { return anomaly_mode == Anomaly::CheckNan; }

namespace {

bool has_nan(const Tensor& x) {
  if (!x.defined() || !is_floating(x.dtype())) return false;
  NoGrad no_grad;
  if (const Rows rows = rows_of(x)) return has_nan(rows->values);
  return any(ne(x, x)).item().to_bool();
}

std::string called_at(const Node& node) {
  return node.origin ? "\nThe op was called here:\n" + *node.origin : std::string();
}

const char* ordinal(size_t i) { return i == 1 ? "st" : i == 2 ? "nd" : i == 3 ? "rd" : "th"; }

}  // namespace

void watch_forward(Node& node, const Tensor* const* inputs, size_t n, Tensor* const* outputs, size_t m) {
  if (host_hooks.call_site) node.origin = std::make_unique<std::string>(host_hooks.call_site());
  if (!is_anomaly_check_nan_enabled()) return;
  for (size_t i = 0; i < m; ++i) {
    if (!outputs[i] || !has_nan(*outputs[i])) continue;
    for (size_t j = 0; j < n; ++j)
      if (has_nan(*inputs[j])) return;
    fail<RuntimeError>("Function '", node.name, "' returned nan values in its ", i, ordinal(i),
                       " output in forward, and none of its inputs has any (found by anomaly mode).", called_at(node));
  }
}

void watch_backward(const Node& node, Gradients& g) {
  if (!is_anomaly_check_nan_enabled()) return;
  for (size_t i = 0; i < g.results().size(); ++i) {
    if (!has_nan(g.results()[i])) continue;
    bool given = false;
    for (const Tensor& dy : g.all_dy()) given |= has_nan(dy);
    fail<RuntimeError>("Function '", node.name, "' returned nan values in its ", i, ordinal(i),
                       " output in backward: the gradient of its input ", i, ", of shape ", node.inputs[i].sizes,
                       given ? "; the gradient that came to it has some already" : "", " (found by anomaly mode).",
                       called_at(node));
  }
}

void warn_of_failure(const Node& node) {
  if (host_hooks.warn && node.origin)
    host_hooks.warn(format("Error detected in the backward of ", node.name, ".", called_at(node)));
}

}  // namespace dlcore
