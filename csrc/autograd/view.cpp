#include "autograd/node.h"
#include "core/launch.h"
#include "ops/internal.h"

// Views and in-place writes. A view knows its base and where in the base's storage it lies. A write through a view becomes
// one more step in the history of the base; the views' own histories are made anew from the base when next asked for.
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

// What a base goes through when a view of it is overwritten by function `inner` of (view, others...).
struct CopySlices final : Node {
  Geometry base, view;
  Ref<Node> inner;
  int32_t inner_output;
  CopySlices(const TensorImpl& b, const TensorImpl& v, Ref<Node> f, int32_t output)
      : base(b), view(v), inner(std::move(f)), inner_output(output) {}

  void backward(Gradients& g) override {
    // d(base) = dy outside the view; inside, what the inner function passes on.
    const Tensor& dy = g.dy();
    TensorList inner_dy(inner->outputs.size());
    inner_dy[static_cast<size_t>(inner_output)] = as_strided_gather(dy, base.sizes, base.strides, base.offset, view.sizes, view.strides, view.offset);
    inner->next.front() = next.front();  // the gradient of the overwritten view is wanted where the base's is
    Gradients inside(*inner, std::move(inner_dy));
    inner->backward(inside);
    TensorList& dx = inside.results();
    g.set(0, [&] {
      Tensor rest = sub(dy, view_backward(as_strided_gather(dy, base.sizes, base.strides, base.offset, view.sizes, view.strides, view.offset), base, view), 1);
      return dx[0].defined() ? add(rest, view_backward(sum_to(dx[0], view.sizes), base, view), 1) : rest;
    });
    for (size_t i = 1; i < dx.size(); ++i) g.set(i, [&] { return dx[i]; });
  }
  void release() override {
    inner->release();
  }
  bool released() const override { return inner->released(); }
};

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
      Ref<Node> n = Ref<Node>::adopt(new FunctionNode<decltype(node)>(std::move(node)));
      n->name = "as_strided";
      n->next.push_back(base_edge(x.base));
      n->inputs.push_back({b.sizes, b.dtype});
      n->outputs.push_back({x.sizes, x.dtype});
      x.grad_fn = std::move(n);
      x.output_nr = 0;
      x.requires_grad = true;
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
                 ": more than one element of the written-to tensor refers to a single memory location (shape ",
                 t.sizes, ", strides ", t.strides, "); clone() it first");
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
  Ref<Node> node = y.impl()->grad_fn;
  const int32_t output = y.impl()->output_nr;
  if (!t.base.defined()) {
    t.bump_version();
    t.grad_fn = std::move(node);
    t.output_nr = output;
    t.requires_grad = true;
    return;
  }
  TensorImpl& b = *t.base.impl();
  const Edge edge = base_edge(t.base);
  auto slices = Ref<Node>::adopt(new CopySlices(b, t, node, output));
  slices->name = "copy_slices";
  slices->next = node->next;
  slices->inputs = node->inputs;
  if (slices->next.empty()) {
    slices->next.emplace_back();
    slices->inputs.emplace_back();
  }
  slices->next[0] = edge;
  slices->inputs[0] = {b.sizes, b.dtype};
  slices->outputs.push_back({b.sizes, b.dtype});
  b.grad_fn = slices;
  b.output_nr = 0;
  b.requires_grad = true;
  t.bump_version();
  t.requires_grad = true;
  (void)gradient_edge(x);
}

}  // namespace dlcore
