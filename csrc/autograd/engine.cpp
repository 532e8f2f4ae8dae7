#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "autograd/node.h"
#include "core/profiler.h"
#include "ops/sparse_rows.h"

// Backward: nodes run in reverse order of their creation, which is a topological order, so a heap keyed by the sequence
// number is all the scheduling there is. No recursion: a graph may be a million nodes deep.
namespace dlcore {
namespace {

// A sum of gradients on its way. What the sum owns alone is added to in place.
struct Accumulator {
  Tensor sum;
  bool owned = false;

  void add(const Tensor& g) {
    if (!sum.defined()) {
      sum = g;
    } else if (owned && !requires_grad(g) && !requires_grad(sum)) {
      add_into(sum, g);
    } else {
      sum = is_sparse(sum) || is_sparse(g) ? add_rows(sum, g) : dlcore::add(sum, g, 1);
      owned = !requires_grad(sum);
    }
  }
};

struct Pending {
  Ref<Node> node;
  std::vector<Accumulator> dy;
};

Tensor run_hooks(const HookList& hooks, Tensor g) {
  const auto entries = hooks.entries;  // a hook may remove itself
  for (const auto& [id, hook] : entries)
    if (Tensor changed = hook(g); changed.defined()) g = changed;
  return g;
}

// Backward passes of several host threads may reach one leaf at once. Who waits lets the others run: the one that holds
// the lock may need the interpreter's to go on. A forked child starts anew, its parent's threads don't exist there.
std::recursive_mutex* accumulating = new std::recursive_mutex;
const bool renewed_in_children = pthread_atfork(nullptr, nullptr, [] { accumulating = new std::recursive_mutex; }) == 0;

std::unique_lock<std::recursive_mutex> exclusive() {
  std::unique_lock lock(*accumulating, std::try_to_lock);
  if (!lock.owns_lock()) {
    HostReleased released;
    lock.lock();
  }
  return lock;
}

void accumulate_grad(TensorImpl& leaf, const Tensor& g, bool create_graph) {
  const auto lock = exclusive();
  if (leaf.grad.defined()) {
    if (create_graph)
      leaf.grad = add(leaf.grad, g, 1);
    else
      add_into(leaf.grad, g);
    return;
  }
  // The gradient becomes the leaf's own where nobody else holds it and it has the leaf's order in memory.
  const TensorImpl& d = *g.impl();
  const Rows rows = rows_of(g);
  const bool ours = d.refs.load() == 1 && d.storage.unique() && (!rows || rows->values.impl()->storage.unique());
  const bool same_order = d.contiguous ? leaf.contiguous : d.strides == leaf.strides;
  if (same_order && (ours || rows))
    leaf.grad = ours ? g : clone(g);
  else
    leaf.grad = clone_like(g, dense_strides_like(leaf));
}

class Run {
 public:
  Run(bool keep_graph, bool create_graph) : keep_graph_(keep_graph), create_graph_(create_graph) {}

  // Only these edges' gradients are wanted; leaves' grads are left alone unless `accumulate`.
  void capture(const TensorList& inputs, bool accumulate) {
    restricted_ = true;
    accumulate_captured_ = accumulate;
    for (const Tensor& x : inputs) {
      const Edge e = gradient_edge(x);
      if (e.leaf.defined())
        captured_leaves_.emplace(e.leaf.impl(), Accumulator{});
      else if (e.node)
        captured_outputs_[e.node.get()].emplace_back(e.index, Tensor{});
    }
  }

  void seed(const Tensor& root, const Tensor& g) { deliver(gradient_edge(root), g); }

  // Which nodes lead to a captured edge: found without recursion, in order of creation.
  void mark_needed(const TensorList& roots) {
    std::vector<Node*> stack, all;
    std::unordered_set<Node*> seen;
    for (const Tensor& r : roots) {
      const Edge e = r.defined() ? gradient_edge(r) : Edge{};  // run_backward refuses one that is not defined
      if (e.node && seen.insert(e.node.get()).second) stack.push_back(e.node.get());
    }
    while (!stack.empty()) {
      Node* n = stack.back();
      stack.pop_back();
      all.push_back(n);
      for (const Edge& e : n->next)
        if (e.node && seen.insert(e.node.get()).second) stack.push_back(e.node.get());
    }
    std::sort(all.begin(), all.end(), [](Node* a, Node* b) { return a->sequence < b->sequence; });
    for (Node* n : all)
      for (const Edge& e : n->next) {
        const bool leads = e.leaf.defined()
                               ? captured_leaves_.count(e.leaf.impl()) > 0
                               : e.node && (needed_.count(e.node.get()) || captured_outputs_.count(e.node.get()));
        if (leads) {
          needed_.insert(n);
          break;
        }
      }
  }

  void run() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      Node* key = heap_.back();
      heap_.pop_back();
      auto found = pending_.find(key);
      Pending p = std::move(found->second);
      pending_.erase(found);
      step(p);
      if (++steps_ % 256 == 0) check_interrupt();
    }
    finish_leaves();
  }

  Tensor captured(const Tensor& x) {
    const Edge e = gradient_edge(x);
    if (e.leaf.defined()) return captured_leaves_[e.leaf.impl()].sum;
    if (e.node)
      for (auto& [index, g] : captured_outputs_[e.node.get()])
        if (index == e.index) return g;
    return {};
  }

 private:
  static bool later(Node* a, Node* b) { return a->sequence < b->sequence; }

  void deliver(const Edge& e, const Tensor& g) {
    if (e.leaf.defined()) {
      deliver_leaf(e.leaf, g);
      return;
    }
    if (!e.node) return;
    if (restricted_ && !needed_.count(e.node.get()) && !captured_outputs_.count(e.node.get())) return;
    auto [it, inserted] = pending_.try_emplace(e.node.get());
    if (inserted) {
      it->second.node = e.node;
      it->second.dy.resize(e.node->outputs.size());
      heap_.push_back(e.node.get());
      std::push_heap(heap_.begin(), heap_.end(), later);
    }
    it->second.dy[static_cast<size_t>(e.index)].add(g);
  }

  void deliver_leaf(const Tensor& leaf, const Tensor& g) {
    if (restricted_) {
      if (auto it = captured_leaves_.find(leaf.impl()); it != captured_leaves_.end()) {
        it->second.add(g);
        if (accumulate_captured_ || leaf.impl()->hooks) hold(leaf);
      }
      return;
    }
    if (!leaf.impl()->hooks) {
      accumulate_grad(*leaf.impl(), g, create_graph_);
      return;
    }
    hold(leaf);
    held_sums_[leaf.impl()].add(g);
  }

  void hold(const Tensor& leaf) {
    for (const Tensor& t : held_)
      if (t.is_same(leaf)) return;
    held_.push_back(leaf);
  }

  // Leaves with hooks see the whole sum at once.
  void finish_leaves() {
    for (const Tensor& leaf : held_) {
      TensorImpl& t = *leaf.impl();
      Accumulator& sum = restricted_ ? captured_leaves_[&t] : held_sums_[&t];
      if (t.hooks) sum.sum = run_hooks(*t.hooks, sum.sum);
      if (restricted_ && !accumulate_captured_) continue;
      accumulate_grad(t, sum.sum, create_graph_);
      if (t.hooks) {
        const auto after = t.hooks->post_accumulate;
        for (const auto& [id, hook] : after) hook(leaf);
      }
    }
  }

  void step(Pending& p) {
    Node& node = *p.node;
    const ProfiledBackward profiled(node.name);
    TensorList dy;
    dy.reserve(p.dy.size());
    for (Accumulator& a : p.dy) dy.push_back(std::move(a.sum));
    p.dy.clear();
    for (const auto& [index, hooks] : node.output_hooks)
      if (Tensor& g = dy[static_cast<size_t>(index)]; g.defined()) g = run_hooks(hooks, g);
    for (const auto& [index, t] : node.retained)
      if (const Tensor& g = dy[static_cast<size_t>(index)]; g.defined()) t->grad = g;
    if (restricted_) {
      if (auto it = captured_outputs_.find(&node); it != captured_outputs_.end())
        for (auto& [index, g] : it->second) {
          g = dy[static_cast<size_t>(index)];
        }
      if (!needed_.count(&node)) return;
    }
    for (const auto& [id, hook] : node.pre_hooks)
      if (auto changed = hook(dy)) dy = std::move(*changed);
    DLCORE_CHECK(!node.released(), RuntimeError, "backward: the graph of ", node.name,
                 " was already freed; pass retain_graph=True to the first backward to go through it a second time");
    Gradients g(node, std::move(dy));
    run_node(node, g);
    TensorList& dx = g.results();
    for (const auto& [id, hook] : node.post_hooks)
      if (auto changed = hook(dx, g.all_dy())) dx = std::move(*changed);
    if (!keep_graph_) node.release();
    g.drop_dy();
    for (size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined() || !node.next[i]) continue;
      Tensor d = fit(node, i, std::move(dx[i]));
      dx[i] = {};
      deliver(node.next[i], d);
    }
  }

  static void run_node(Node& node, Gradients& g) {
    if (!watching()) return node.backward(g);
    try {
      node.backward(g);
    } catch (...) {
      warn_of_failure(node);
      throw;
    }
    watch_backward(node, g);
  }

  // The gradient of input i in that input's shape and dtype.
  static Tensor fit(const Node& node, size_t i, Tensor d) {
    const GradientShape& want = node.inputs[i];
    if (d.sizes() != IntSpan(want.sizes)) {
      DLCORE_CHECK(d.dim() >= want.sizes.size(), RuntimeError, "backward: ", node.name,
                   " returned a gradient of shape ", d.sizes(), " for input ", i, ", expected ", want.sizes);
      d = sum_to(d, want.sizes);
    }
    if (d.dtype() != want.dtype) d = to_dtype(d, want.dtype);
    return d;
  }

  const bool keep_graph_, create_graph_;
  bool restricted_ = false, accumulate_captured_ = false;
  uint64_t steps_ = 0;
  std::unordered_map<Node*, Pending> pending_;
  std::vector<Node*> heap_;
  std::unordered_set<Node*> needed_;
  std::unordered_map<TensorImpl*, Accumulator> captured_leaves_, held_sums_;
  std::unordered_map<Node*, std::vector<std::pair<int32_t, Tensor>>> captured_outputs_;
  TensorList held_;
};

Tensor seed_gradient(const Tensor& root, const Tensor& g) {
  if (!g.defined()) {
    DLCORE_CHECK(root.numel() == 1, RuntimeError,
                 "backward: a gradient can be created implicitly only for outputs with one element, got shape ",
                 root.sizes());
    return full(root.sizes(), 1, root.dtype());
  }
  DLCORE_CHECK(g.sizes() == root.sizes(), RuntimeError, "backward: expected a gradient of shape ", root.sizes(),
               " but got ", g.sizes());
  return g.dtype() == root.dtype() ? g : to_dtype(g, root.dtype());
}

void run_backward(Run& run, const char* op, const TensorList& roots, const TensorList& gradients, bool create_graph) {
  DLCORE_CHECK(gradients.empty() || gradients.size() == roots.size(), RuntimeError, op, ": got ", roots.size(),
               " outputs but ", gradients.size(), " gradients");
  GradMode mode(create_graph);
  for (size_t i = 0; i < roots.size(); ++i) {
    DLCORE_CHECK(roots[i].defined() && requires_grad(roots[i]), RuntimeError, op, ": element ", i,
                 " of tensors does not require grad and does not have a grad_fn");
    run.seed(roots[i], seed_gradient(roots[i], gradients.empty() ? Tensor{} : gradients[i]));
  }
  run.run();
}

}  // namespace

void backward(const TensorList& roots, const TensorList& gradients, std::optional<bool> retain_graph, bool create_graph,
              const TensorList& inputs) {
  Run run(retain_graph.value_or(create_graph), create_graph);
  if (!inputs.empty()) {
    for (const Tensor& x : inputs)
      DLCORE_CHECK(requires_grad(x) && x.is_leaf(), RuntimeError,
                   "backward: inputs must be leaf tensors that require gradients");
    run.capture(inputs, true);
    run.mark_needed(roots);
  }
  run_backward(run, "backward", roots, gradients, create_graph);
}

TensorList grad(const TensorList& outputs, const TensorList& inputs, const TensorList& grad_outputs,
                std::optional<bool> retain_graph, bool create_graph, bool allow_unused) {
  for (const Tensor& x : inputs)
    DLCORE_CHECK(requires_grad(x), RuntimeError, "grad: one of the inputs does not require grad");
  Run run(retain_graph.value_or(create_graph), create_graph);
  run.capture(inputs, false);
  run.mark_needed(outputs);
  run_backward(run, "grad", outputs, grad_outputs, create_graph);
  TensorList result;
  for (const Tensor& x : inputs) {
    result.push_back(run.captured(x));
    DLCORE_CHECK(result.back().defined() || allow_unused, RuntimeError,
                 "grad: one of the inputs was not used in the graph; pass allow_unused=True if that is intended");
  }
  return result;
}

}  // namespace dlcore
