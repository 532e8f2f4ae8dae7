#pragma once
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor_impl.h"
#include "dlcore/autograd.h"

// The tape. An op that has something to differentiate attaches a Node to its outputs:
//
//   Tensor mul(const Tensor& a, const Tensor& b) {
//     Tensor y = ...;
//     record("mul", y, {a, b}, [a = Saved(a), b = Saved(b)](Gradients& g) {
//       g.set(0, [&] { return mul(g.dy(), b.get()); });   // da = dy * b
//       g.set(1, [&] { return mul(g.dy(), a.get()); });
//     });
//     return y;
//   }
//
// The engine reduces a gradient to its input's shape where broadcasting enlarged it, casts it to the input's dtype,
// adds what arrives on several paths, and runs nodes in reverse order of their creation.
namespace dlcore {

// Where a gradient goes: into a node, or (leaf defined) into a leaf's grad.
struct Edge {
  Ref<Node> node;
  int32_t index = 0;  // which output of node
  Tensor leaf;
  explicit operator bool() const { return node || leaf.defined(); }
};

// What a gradient must look like.
struct GradientShape {
  Dims sizes;
  DType dtype = DType::Float32;
};

using TensorHook = std::function<Tensor(const Tensor&)>;  // undefined result: keep the gradient
struct HookList {
  std::vector<std::pair<int64_t, TensorHook>> entries;  // by id, in order of registration
};
struct LeafHooks : HookList {
  std::vector<std::pair<int64_t, std::function<void(const Tensor&)>>> post_accumulate;  // called with the leaf
};

class Gradients;

struct DLCORE_API Node : RefCounted {
  const char* name = "";
  uint64_t sequence;                  // larger than that of every node it leads to
  std::vector<Edge> next;             // one an input
  std::vector<GradientShape> inputs;  // ... and what its gradient must look like
  std::vector<GradientShape> outputs;
  std::vector<std::pair<int32_t, HookList>> output_hooks;  // hooks of the tensor at that output
  // Outputs that keep their grad. Not owned, which would be a cycle: a tensor takes itself off the list when it dies.
  std::vector<std::pair<int32_t, TensorImpl*>> retained;
  std::vector<std::pair<int64_t, std::function<std::optional<TensorList>(const TensorList& dx, const TensorList& dy)>>>
      post_hooks;
  std::vector<std::pair<int64_t, std::function<std::optional<TensorList>(const TensorList& dy)>>> pre_hooks;
  std::unique_ptr<std::string> origin;  // in anomaly mode: where the op was called

  Node();
  virtual ~Node() = default;
  // Reads g.dy(i), sets g's results for the inputs that need one.
  virtual void backward(Gradients& g) = 0;
  // Frees what was saved; backward afterwards is an error.
  virtual void release() {}
  virtual bool released() const { return false; }

  static void destroy(Node* n);
};

// The gradients of one node's outputs, and the place for those of its inputs.
class DLCORE_API Gradients {
 public:
  Gradients(Node& node, TensorList dy) : node_(node), dy_(std::move(dy)), dx_(node.next.size()) {}

  Node& node() { return node_; }
  // Gradient of output i; zeros if nothing reached it.
  const Tensor& dy(int i = 0);
  bool has_dy(int i) const { return dy_[static_cast<size_t>(i)].defined(); }
  const TensorList& all_dy() const { return dy_; }
  // Whether input i wants a gradient.
  bool needs(size_t i) const { return i < dx_.size() && static_cast<bool>(node_.next[i]); }
  template <class F>
  void set(size_t i, const F& compute) {
    if (needs(i)) dx_[i] = compute();
  }
  TensorList& results() { return dx_; }
  // Once the node has run nobody but its results holds on to the incoming gradients.
  void drop_dy() { dy_.clear(); }

 private:
  Node& node_;
  TensorList dy_, dx_;
};

// A tensor kept for backward. Unpacking refuses one that was written to in place meanwhile.
class DLCORE_API Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& x) : x_(x), version_(x.defined() ? x.impl()->version() : 0) {}
  // For an output of the node itself: kept without the history that would make a cycle.
  static Saved output(const Tensor& y);
  const Tensor& get() const;
  const Tensor& operator()() const { return get(); }
  // For an output: the tensor with `node` as its history, which second derivatives go through.
  Tensor get(Gradients& g, int output_nr = 0) const;
  bool defined() const { return x_.defined(); }

 private:
  Tensor x_;
  uint64_t version_ = 0;
};

template <class F>
struct FunctionNode final : Node {
  std::optional<F> function;
  explicit FunctionNode(F f) : function(std::move(f)) {}
  void backward(Gradients& g) override { (*function)(g); }
  void release() override {
    if constexpr (!std::is_trivially_destructible_v<F>) function.reset();
  }
  bool released() const override { return !function.has_value(); }
};

// A view follows its base, which an in-place write may have made part of a graph after the view was taken.
inline bool requires_grad(const TensorImpl& t) {
  return t.requires_grad || (t.base.defined() && t.base.impl()->requires_grad && !t.view_of_no_grad);
}
inline bool requires_grad(const Tensor& t) { return t.defined() && requires_grad(*t.impl()); }
inline bool differentiable(const Tensor& t) { return is_floating(t.impl()->dtype); }

// Whether an op on these inputs has to record itself.
template <class... Tensors>
inline bool needs_graph(const Tensors&... inputs) {
  return is_grad_enabled() && (requires_grad(inputs) || ...);
}
DLCORE_API bool needs_graph(const TensorList& inputs);

// Where gradients of t go; none if t needs no gradient.
DLCORE_API Edge gradient_edge(const Tensor& t);
// Gives node its inputs and makes outputs its results. An output that is not floating point gets no history.
DLCORE_API void attach(Ref<Node> node, const char* name, const Tensor* const* inputs, size_t n, Tensor* const* outputs,
                       size_t m);

template <class F>
void record(const char* name, Tensor& y, std::initializer_list<std::reference_wrapper<const Tensor>> inputs,
            F backward);
template <class F>
void record(const char* name, Tensor& y, const TensorList& inputs, F backward);
// Several outputs.
template <class F>
void record(const char* name, std::initializer_list<Tensor*> outputs, const TensorList& inputs, F backward);

// The gradient of this non-leaf tensor will be kept in its grad.
DLCORE_API void retain_grad(TensorImpl& t);
void forget_retained(TensorImpl& t);

// ---- anomaly mode (autograd/anomaly.cpp)

enum class Anomaly : uint8_t { Off, Trace, CheckNan };
DLCORE_API extern std::atomic<Anomaly> anomaly_mode;
inline bool watching() { return __builtin_expect(anomaly_mode.load(std::memory_order_relaxed) != Anomaly::Off, 0); }
// Notes where the op was called, and throws if an output has a NaN that no input had.
void watch_forward(Node& node, const Tensor* const* inputs, size_t n, Tensor* const* outputs, size_t m);
// Throws if a gradient that the node made has a NaN.
void watch_backward(const Node& node, Gradients& g);
// Tells where the op was called whose backward has just thrown something else.
void warn_of_failure(const Node& node);

// ---- in-place writes (autograd/inplace.cpp)

// Before an in-place write: x must be writable, not overlap itself, and not be a leaf that wants a gradient.
DLCORE_API void check_inplace(const char* op, const Tensor& x);
// After an in-place write: counts it, and where `y` (the out-of-place result, with its history) was recorded,
// makes y's history x's own; a write through a view becomes part of its base's history. Ops use
// inplace() in ops/internal.h rather than these two.
DLCORE_API void finish_inplace(const Tensor& x, const Tensor& y);

// ---- views (autograd/view.cpp)

// A view of x that gradients flow through: dx is zeros with dy written into the view's place.
DLCORE_API Tensor make_view(const char* op, const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset);
// Same, with the gradient given as a formula: backward(dy) -> dx.
template <class F>
Tensor make_view(const char* op, const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset, F backward);
// The alias with its base noted but no node yet.
DLCORE_API Tensor view_alias(const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset);

// ---- implementation

template <class F>
void record(const char* name, Tensor& y, std::initializer_list<std::reference_wrapper<const Tensor>> inputs,
            F backward) {
  if (!is_grad_enabled()) return;
  const Tensor* list[8];
  size_t n = 0;
  bool any = false;
  for (const Tensor& x : inputs) {
    any |= requires_grad(x);
    list[n++] = &x;
  }
  if (!any) return;
  Tensor* out[] = {&y};
  attach(Ref<Node>::adopt(new FunctionNode<F>(std::move(backward))), name, list, n, out, 1);
}

template <class F>
void record(const char* name, std::initializer_list<Tensor*> outputs, const TensorList& inputs, F backward) {
  if (!needs_graph(inputs)) return;
  std::vector<const Tensor*> list;
  for (const Tensor& x : inputs) list.push_back(&x);
  attach(Ref<Node>::adopt(new FunctionNode<F>(std::move(backward))), name, list.data(), list.size(), outputs.begin(),
         outputs.size());
}

template <class F>
void record(const char* name, Tensor& y, const TensorList& inputs, F backward) {
  record(name, {&y}, inputs, std::move(backward));
}

template <class F>
Tensor make_view(const char* op, const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset, F backward) {
  Tensor y = view_alias(x, sizes, strides, offset);
  record(op, y, {x}, [backward = std::move(backward)](Gradients& g) { g.set(0, [&] { return backward(g.dy()); }); });
  return y;
}

}  // namespace dlcore
