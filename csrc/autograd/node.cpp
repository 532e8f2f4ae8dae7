#include "autograd/node.h"

#include <atomic>

#include "ops/internal.h"

namespace dlcore {
namespace {

std::atomic<uint64_t> next_sequence{1};
thread_local bool grad_enabled = true;

}  // namespace

bool is_grad_enabled() { return grad_enabled; }
void set_grad_enabled(bool enabled) { grad_enabled = enabled; }

Node::Node() : sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}

// A long chain of nodes is freed in a loop: each destructor only queues the nodes that it held last.
void Node::destroy(Node* n) {
  thread_local std::vector<Node*>* queue = nullptr;
  if (queue) {
    queue->push_back(n);
    return;
  }
  std::vector<Node*> pending{n};
  queue = &pending;
  while (!pending.empty()) {
    Node* last = pending.back();
    pending.pop_back();
    delete last;
  }
  queue = nullptr;
}

bool needs_graph(const TensorList& inputs) {
  if (!is_grad_enabled()) return false;
  for (const Tensor& x : inputs)
    if (requires_grad(x)) return true;
  return false;
}

void attach(Ref<Node> node, const char* name, const Tensor* const* inputs, size_t n, Tensor* const* outputs, size_t m) {
  node->name = name;
  node->next.reserve(n);
  node->inputs.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    const Tensor& x = *inputs[i];
    node->next.push_back(x.defined() ? gradient_edge(x) : Edge{});
    node->inputs.push_back(x.defined() ? GradientShape{sizes_of(x), x.dtype()} : GradientShape{});
  }
  // Anew: finding an edge may just have made the node of a view whose base was written to.
  node->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < m; ++i) {
    if (!outputs[i] || !outputs[i]->defined()) {
      node->outputs.emplace_back();
      continue;
    }
    TensorImpl& y = *outputs[i]->impl();
    node->outputs.push_back({y.sizes, y.dtype});
    if (!is_floating(y.dtype)) continue;
    y.grad_fn = node;
    y.output_nr = static_cast<int32_t>(i);
    y.requires_grad = true;
  }
  if (watching()) watch_forward(*node, inputs, n, outputs, m);
}

const Tensor& Gradients::dy(int i) {
  Tensor& d = dy_[static_cast<size_t>(i)];
  if (!d.defined()) {
    const GradientShape& s = node_.outputs[static_cast<size_t>(i)];
    d = zeros(s.sizes, s.dtype);
  }
  return d;
}

// ---- gradients of non-leaf tensors

void retain_grad(TensorImpl& t) {
  if (!t.grad_fn || t.retains_grad) return;
  t.retains_grad = true;
  t.grad_fn->retained.emplace_back(t.output_nr, &t);
}

void forget_retained(TensorImpl& t) {
  t.retains_grad = false;
  std::erase_if(t.grad_fn->retained, [&](const auto& entry) { return entry.second == &t; });
}

// ---- saved tensors

Saved Saved::output(const Tensor& y) {
  Saved s;
  s.x_ = y.detach();
  s.version_ = y.impl()->version();
  return s;
}

const Tensor& Saved::get() const {
  if (x_.defined() && !x_.impl()->untracked)
    DLCORE_CHECK(x_.impl()->version() == version_, RuntimeError,
                 "backward: a tensor needed for the gradient was modified by an in-place operation (shape ", x_.sizes(),
                 ", version ", x_.impl()->version(), ", expected version ", version_, ")");
  return x_;
}

Tensor Saved::get(Gradients& g, int output_nr) const {
  const Tensor& y = get();
  if (!is_grad_enabled()) return y;
  Tensor with_history = y.detach();
  with_history.impl()->grad_fn = Ref<Node>::share(&g.node());
  with_history.impl()->output_nr = output_nr;
  with_history.impl()->requires_grad = true;
  return with_history;
}

// ---- the handle's autograd side

Tensor& Tensor::set_requires_grad(bool value) {
  DLCORE_CHECK(!value || is_floating(dtype()), RuntimeError,
               "requires_grad: only floating point tensors can require gradients, got ", name(dtype()));
  DLCORE_CHECK(value || is_leaf(), RuntimeError,
               "requires_grad: you can only change requires_grad flags of leaf tensors; use detach()");
  if (is_leaf()) impl_->requires_grad = value;
  return *this;
}

void Tensor::set_grad(const Tensor& g) const {
  if (g.defined()) {
    DLCORE_CHECK(g.sizes() == sizes(), RuntimeError, "grad: expected shape ", sizes(), " but got ", g.sizes());
    DLCORE_CHECK(g.dtype() == dtype(), RuntimeError, "grad: expected dtype ", name(dtype()), " but got ",
                 name(g.dtype()));
    DLCORE_CHECK(!g.is_same(*this), RuntimeError, "grad: a tensor cannot be its own gradient");
  }
  impl_->grad = g;
}

void Tensor::backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph) const {
  dlcore::backward({*this}, {gradient}, retain_graph, create_graph);
}

}  // namespace dlcore
