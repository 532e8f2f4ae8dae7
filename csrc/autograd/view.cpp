#include "autograd/node.h"
#include "core/launch.h"
#include "ops/internal.h"

// Views and in-place writes. A view knows its base and where in the base's storage it lies. A write through a view
// becomes one more step in the history of the base; the views' own histories are made anew from the base when next
// asked for.
namespace dlcore {
namespace {

struct Geometry {
  Dims sizes, strides;
  int64_t offset;
  explicit Geometry(const TensorImpl& t) : sizes(t.sizes), strides(t.strides), offset(t.offset) {}
};

// dy (of the view) spread over the base's shape.
Tensor view_backward(const Tensor& dy, const Geometry& base, const Geometry& view) {
  return as_strided_scatter(dy, base.sizes, base.strides, base.offset, view.strides, view.offset);
}

Edge base_edge(const Tensor& base) {
  TensorImpl& b = *base.impl();
  if (b.grad_fn) return {b.grad_fn, b.output_nr, {}};
  return b.requires_grad ? Edge{{}, 0, base} : Edge{};
}

template <class F>
Ref<Node> new_node(const char* name, std::initializer_list<Edge> next, std::initializer_list<const TensorImpl*> inputs,
                   const TensorImpl& output, F backward) {
  Ref<Node> node = Ref<Node>::adopt(new FunctionNode<F>(std::move(backward)));
  node->name = name;
  node->next = next;
  for (const TensorImpl* x : inputs) node->inputs.push_back({x->sizes, x->dtype});
  node->outputs.push_back({output.sizes, output.dtype});
  return node;
}

// A new history for t; a gradient that t keeps is then that of its new value.
void set_history(TensorImpl& t, Ref<Node> node, int32_t output) {
  const bool retains = t.retains_grad;
  if (retains) forget_retained(t);
  t.grad_fn = std::move(node);
  t.output_nr = output;
  t.requires_grad = true;
  if (retains) retain_grad(t);
}

// dy without what lies in the view.
Tensor outside_view(const Tensor& dy, const Tensor& inside, const Geometry& base, const Geometry& view) {
  const bool has_gaps = !is_dense(*alias(dy, base.sizes, base.strides, 0).impl());
  if (is_grad_enabled() || has_gaps) return sub(dy, view_backward(inside, base, view));
  Tensor rest = clone_like(dy, base.strides);
  copy_data(alias(rest, view.sizes, view.strides, view.offset - base.offset), full({}, 0, dy.dtype()));
  return rest;
}

}  // namespace

Edge gradient_edge(const Tensor& t) {
  TensorImpl& x = *t.impl();
  if (!x.requires_grad && !x.base.defined()) return {};
  if (x.base.defined() && x.view_version != x.version()) {
    // Somebody wrote to the shared memory since: this view now comes from what the base has become.
    TensorImpl& b = *x.base.impl();
    if (b.requires_grad && !x.view_of_no_grad) {
      auto node = [base = Geometry(b), view = Geometry(x)](Gradients& g) {
        g.set(0, [&] { return view_backward(g.dy(), base, view); });
      };
      set_history(x, new_node("as_strided", {base_edge(x.base)}, {&b}, x, std::move(node)), 0);
    }
    x.view_version = x.version();
  }
  if (x.grad_fn) return {x.grad_fn, x.output_nr, {}};
  return x.requires_grad ? Edge{{}, 0, t} : Edge{};
}

Tensor view_alias(const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset) {
  (void)gradient_edge(x);  // bring x's own history up to date before another view builds on it
  Tensor y = alias(x, sizes, strides, offset);
  TensorImpl& v = *y.impl();
  v.base = x.impl()->base.defined() ? x.impl()->base : x;
  v.view_version = v.version();
  v.view_of_no_grad = x.impl()->view_of_no_grad || !is_grad_enabled();
  return y;
}

Tensor make_view(const char* op, const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset) {
  Tensor y = view_alias(x, sizes, strides, offset);
  if (needs_graph(x))
    record(op, y, {x}, [base = Geometry(*x.impl()), view = Geometry(*y.impl())](Gradients& g) {
      g.set(0, [&] { return view_backward(g.dy(), base, view); });
    });
  return y;
}

// ---- in-place writes

void check_inplace(const char* op, const Tensor& x) {
  TensorImpl& t = *x.impl();
  DLCORE_CHECK(!t.storage->read_only, ValueError, op, ": the tensor's memory is read-only");
  for (int64_t i = 0; i < t.ndim(); ++i)
    DLCORE_CHECK(t.strides[i] != 0 || t.sizes[i] <= 1, RuntimeError, op,
                 ": more than one element of the written-to tensor refers to a single memory location (shape ", t.sizes,
                 ", strides ", t.strides, "); clone() it first");
  if (!is_grad_enabled()) return;
  DLCORE_CHECK(!t.requires_grad || t.grad_fn, RuntimeError, op,
               ": a leaf tensor that requires grad is being used in an in-place operation");
  if (t.base.defined() && requires_grad(t.base)) {
    DLCORE_CHECK(t.base.impl()->grad_fn, RuntimeError, op,
                 ": a view of a leaf tensor that requires grad is being used in an in-place operation");
    DLCORE_CHECK(!t.view_of_no_grad, RuntimeError, op,
                 ": a view that was created under no_grad is being modified in place with gradients enabled");
  }
}

void finish_inplace(const Tensor& x, const Tensor& y) {
  TensorImpl& t = *x.impl();
  const bool recorded = y.defined() && y.impl()->grad_fn;
  if (!recorded) {
    // A view's history survives a write that nothing was recorded for: it is simply remade from the base.
    t.bump_version();
    if (!t.base.defined() || t.untracked) t.view_version = t.version();
    return;
  }
  if (!t.base.defined()) {
    t.bump_version();
    set_history(t, y.impl()->grad_fn, y.impl()->output_nr);
    return;
  }
  // The base becomes what it was outside the view, and y inside.
  TensorImpl& b = *t.base.impl();
  auto node = [base = Geometry(b), view = Geometry(t)](Gradients& g) {
    const Tensor& dy = g.dy();
    const Tensor inside =
        as_strided_gather(dy, base.sizes, base.strides, base.offset, view.sizes, view.strides, view.offset);
    g.set(0, [&] { return outside_view(dy, inside, base, view); });
    g.set(1, [&] { return inside; });
  };
  set_history(b, new_node("copy_slices", {base_edge(t.base), gradient_edge(y)}, {&b, &t}, b, std::move(node)), 0);
  t.bump_version();
  t.requires_grad = true;
  (void)gradient_edge(x);
}

}  // namespace dlcore
