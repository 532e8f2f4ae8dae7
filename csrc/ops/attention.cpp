#include "dlcore/ops/attention.h"

#include <cmath>

#include "core/allocator.h"
#include "core/launch.h"
#include "dlcore/ops/attention_mask.h"
#include "dlcore/random.h"
#include "kernels/registry.h"
#include "ops/attention_mask.h"
#include "ops/internal.h"

namespace dlcore {

namespace {

constexpr const char* kOp = "scaled_dot_product_attention";

// What a call is about; tensors are of the dtype that is computed in.
struct Problem {
  Tensor q, k, v, mask;  // mask: expanded to (planes of q..., queries, keys), or undefined
  Dims q_lead, k_lead;   // what stands before the matrices of q and y; of k and v
  int64_t group = 1;     // planes of q that share one of k
  double scale = 1, dropout = 0;
  Generator::State random{};
  std::shared_ptr<const AttentionPairs> pairs;
  bool restricted = false;  // pairs are not all

  int64_t queries() const { return q.size(-2); }
  int64_t keys() const { return k.size(-2); }
  int64_t depth() const { return q.size(-1); }
  int64_t width() const { return v.size(-1); }
};

Dims shape(const Dims& lead, int64_t rows, int64_t columns) {
  Dims s = lead;
  s.push_back(rows);
  s.push_back(columns);
  return s;
}

// Where the matrices of x begin, in elements, when what stands before them broadcasts to `lead`.
std::vector<int64_t> places_of(const Tensor& x, const Dims& lead) {
  std::vector<int64_t> places{0};
  const int64_t missing = lead.size() + 2 - x.dim();
  for (int64_t d = 0; d < lead.size(); ++d) {
    const int64_t stride = d < missing || x.size(d - missing) == 1 ? 0 : x.strides()[static_cast<size_t>(d - missing)];
    std::vector<int64_t> next;
    next.reserve(places.size() * static_cast<size_t>(lead[d]));
    for (const int64_t place : places)
      for (int64_t i = 0; i < lead[d]; ++i) next.push_back(place + i * stride);
    places = std::move(next);
  }
  return places;
}

// Matrices of a tensor for the kernel, with the places that its description points to.
struct Matrices {
  Tensor x;
  std::vector<int64_t> places;

  Matrices() = default;
  Matrices(const Tensor& t, const Dims& lead) : x(t), places(places_of(t, lead)) {}
  kernel::AttentionMatrices get() const {
    if (!x.defined()) return {};
    return {x.raw_data(), places.data(), x.strides()[static_cast<size_t>(x.dim() - 2)]};
  }
};

// Rows whose elements are adjacent.
Tensor with_rows(const Tensor& x) {
  return x.size(-1) <= 1 || x.strides()[static_cast<size_t>(x.dim() - 1)] == 1 ? x : contiguous(x);
}

// New matrices; heads lie between rows where they do in x (the layout of split heads).
Tensor new_like(const Tensor& x, const Dims& sizes) {
  const int64_t n = sizes.size();
  const auto stride = [&](int64_t d) { return x.strides()[static_cast<size_t>(x.dim() + d)]; };
  if (n < 3 || x.dim() < 3 || stride(-3) >= stride(-2) || x.size(-3) == 1) return new_tensor(sizes, x.dtype());
  Dims strides(n, 1);
  int64_t step = 1;
  const auto set = [&](int64_t d) { strides[d] = step, step *= std::max<int64_t>(sizes[d], 1); };
  set(n - 1), set(n - 3), set(n - 2);
  for (int64_t d = n - 4; d >= 0; --d) set(d);
  return new_tensor(sizes, strides, x.dtype());
}

// The kernel's arguments, and what they point to.
struct Arguments {
  Matrices q, k, v, y, mask;
  std::vector<int64_t> list;
  kernel::Attention a{};

  Arguments(const Problem& p, const Tensor& out, const Tensor& softmax)
      : q(p.q, p.q_lead), k(p.k, p.k_lead), v(p.v, p.k_lead), y(out, p.q_lead) {
    a.dtype = p.q.dtype();
    a.planes = static_cast<int64_t>(q.places.size()), a.group = p.group;
    a.queries = p.queries(), a.keys = p.keys(), a.depth = p.depth(), a.width = p.width();
    a.scale = p.scale, a.dropout = p.dropout;
    a.seed = p.random.seed, a.offset = p.random.offset;
    a.q = q.get(), a.k = k.get(), a.v = v.get(), a.y = y.get();
    a.softmax = softmax.defined() ? softmax.raw_data() : nullptr;
    list = p.pairs->lists_of(a.planes);
    a.blocks = p.pairs->blocks(list);
    if (p.mask.defined()) {
      mask = Matrices(p.mask, p.q_lead);
      const kernel::AttentionMatrices m = mask.get();
      a.mask = {m.data, p.mask.dtype() == DType::Bool, m.places, m.row, p.keys() > 1 ? p.mask.strides().back() : 0};
    }
  }
};

// `products` of queries, keys and an average of depth and width
Cost cost(const Problem& p, const kernel::Attention& a, double products) {
  const double item = static_cast<double>(item_size(a.dtype)), sides = static_cast<double>(a.depth + a.width);
  const double rows = static_cast<double>(a.planes * a.queries + a.planes / a.group * a.keys);
  return {products / 2 * item * rows * sides,
          products * static_cast<double>(a.planes) * static_cast<double>(p.pairs->count()) * sides};
}

struct Result {
  Tensor y, softmax;  // softmax: what backward needs of it
};

Result forward(const Problem& p) {
  Result r{new_like(p.q, shape(p.q_lead, p.queries(), p.width())), {}};
  if (needs_graph(p.q, p.k, p.v, p.mask)) r.softmax = new_tensor(shape(p.q_lead, p.queries(), 2), p.q.dtype());
  const Arguments args(p, r.y, r.softmax);
  const Workspace scratch(kernels().attention_workspace(args.a, false));
  launch(kOp, cost(p, args.a, 2), [&] { kernels().attention_forward(args.a, scratch.data()); });
  return r;
}

// ---- backward

struct Wanted {
  bool q, k, v, mask;
};
struct AttentionGradients {
  Tensor q, k, v, mask;
};

AttentionGradients fused_backward(const Problem& p, const Result& r, const Tensor& grad, Wanted wanted) {
  const Tensor dy = with_rows(grad);
  const Dims k_shape = shape(p.k_lead, p.keys(), p.depth()), v_shape = shape(p.k_lead, p.keys(), p.width());
  AttentionGradients d;
  if (wanted.q) d.q = new_like(p.q, shape(p.q_lead, p.queries(), p.depth()));
  if (wanted.k) d.k = r.y.numel() ? new_like(p.k, k_shape) : zeros(k_shape, p.k.dtype());
  if (wanted.v) d.v = r.y.numel() ? new_like(p.v, v_shape) : zeros(v_shape, p.v.dtype());
  if (wanted.mask) d.mask = zeros(shape(p.q_lead, p.queries(), p.keys()), p.q.dtype());
  if (r.y.numel() == 0) {
    if (wanted.q) d.q = zeros_like(d.q);
    return d;
  }
  const Arguments args(p, r.y, r.softmax);
  const auto matrices = [](const Tensor& t, const Dims& lead) { return t.defined() ? Matrices(t, lead) : Matrices(); };
  const Matrices given(dy, p.q_lead), dq = matrices(d.q, p.q_lead), dk = matrices(d.k, p.k_lead),
                                      dv = matrices(d.v, p.k_lead);
  const kernel::AttentionBackward b{given.get(), dq.get(), dk.get(), dv.get(),
                                    d.mask.defined() ? d.mask.raw_data() : nullptr};
  const Workspace scratch(kernels().attention_workspace(args.a, true));
  launch(kOp, cost(p, args.a, 5), [&] { kernels().attention_backward(args.a, b, scratch.data()); });
  return d;
}

// z, in full: what dropout makes of uniform weights, by values that show each of them.
Tensor dropout_factors(Problem p) {
  const int64_t keys = p.keys();
  p.q = zeros({p.queries(), 1}, p.q.dtype());
  p.k = zeros({keys, 1}, p.q.dtype());
  p.v = eye(keys, keys, p.q.dtype());
  p.scale = 1;
  p.mask = {};
  for (int64_t& n : p.k_lead) n = 1;
  // Planes share nothing but zeros: one group for all.
  p.group = checked_numel(kOp, p.q_lead);
  p.pairs = std::make_shared<AttentionPairs>(AttentionPairs::all(p.queries(), keys));
  return mul(to_dtype(gt(forward(p).y, number(0)), p.q.dtype()), number(1 / (1 - p.dropout)));
}

// Which pairs take part, to broadcast to s.
Tensor dense_pairs(const Problem& p) {
  Dims sizes(p.q_lead.size() + 2, 1);
  sizes[0] = p.pairs->lists();
  const int64_t n = sizes.size();
  sizes[n - 2] = p.queries(), sizes[n - 1] = p.keys();
  return reshape(p.pairs->dense(), sizes);
}

// The same in plain ops, which can be differentiated again.
AttentionGradients composed_backward(const Problem& p, const Tensor& dy) {
  const auto spread = [&](const Tensor& x) { return p.group > 1 ? repeat_interleave(x, p.group, -3) : x; };
  const Tensor k = spread(p.k), v = spread(p.v), minus_infinity = number(-INFINITY);
  Tensor s = matmul(p.q, mT(k)) * p.scale;
  if (p.restricted) s = where(dense_pairs(p), s, minus_infinity);
  if (p.mask.defined()) s = p.mask.dtype() == DType::Bool ? where(p.mask, s, minus_infinity) : s + p.mask;
  const Tensor excluded = eq(s, minus_infinity), none = all(excluded, IntSpan{-1}, true);
  const Tensor weights = masked_fill(softmax(masked_fill(s, none, number(0)), -1), excluded, number(0));
  Tensor dropped = weights, dweights = matmul(dy, mT(v));
  if (p.dropout > 0) {
    const Tensor z = p.dropout < 1 ? dropout_factors(p) : zeros_like(weights);
    dropped = dropped * z, dweights = dweights * z;
  }
  const Tensor ds = weights * (dweights - sum(weights * dweights, IntSpan{-1}, true));
  // Planes that share keys and values add up.
  const auto gather = [&](const Tensor& dx) {
    return p.group > 1 ? sum(unflatten(dx, -3, {p.k_lead.back(), p.group}), IntSpan{-3}) : dx;
  };
  return {matmul(ds, k) * p.scale, gather(matmul(mT(ds), p.q)) * p.scale, gather(matmul(mT(dropped), dy)), ds};
}

// ---- checks

// The common shape of what stands before the last `last` dimensions.
Dims common_lead(std::initializer_list<const Tensor*> tensors, int64_t last) {
  Dims lead;
  for (const Tensor* t : tensors)
    lead = broadcast_shapes(kOp, lead, IntSpan(t->sizes().data(), static_cast<size_t>(t->dim() - last)));
  return lead;
}

void check_inputs(const Tensor& q, const Tensor& k, const Tensor& v, double dropout) {
  DLCORE_CHECK(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2, RuntimeError, kOp,
               ": query, key and value must have at least two dimensions, but got shapes ", q.sizes(), ", ", k.sizes(),
               " and ", v.sizes());
  DLCORE_CHECK(is_floating(q.dtype()), RuntimeError, kOp, ": query must be floating point, but got ", name(q.dtype()));
  DLCORE_CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype(), RuntimeError, kOp,
               ": query, key and value must have the same dtype, but got ", name(q.dtype()), ", ", name(k.dtype()),
               " and ", name(v.dtype()));
  DLCORE_CHECK(q.size(-1) == k.size(-1), RuntimeError, kOp, ": key must have query's last size; expected ", q.size(-1),
               " but got key of shape ", k.sizes());
  DLCORE_CHECK(k.size(-2) == v.size(-2), RuntimeError, kOp, ": value must have as many rows as key; expected ",
               k.size(-2), " but got value of shape ", v.sizes());
  DLCORE_CHECK(dropout >= 0 && dropout <= 1, RuntimeError, kOp, ": dropout_p must be in [0, 1], but got ", dropout);
}

// With grouped heads: key and value for as many heads as they have in common with query's groups.
void share_heads(Problem& p) {
  const int64_t dims = std::min({p.q.dim(), p.k.dim(), p.v.dim()});
  DLCORE_CHECK(dims >= 3, IndexError, kOp,
               ": with enable_gqa query, key and value must have at least three dimensions, but got shapes ",
               p.q.sizes(), ", ", p.k.sizes(), " and ", p.v.sizes());
  const int64_t heads = p.q.size(-3), k_heads = p.k.size(-3), v_heads = p.v.size(-3);
  DLCORE_CHECK(k_heads > 0 && v_heads > 0 && heads % k_heads == 0 && heads % v_heads == 0, RuntimeError, kOp,
               ": with enable_gqa the heads of key and value must divide those of query, ", heads, ", but got ",
               k_heads, " and ", v_heads);
  if (k_heads != v_heads) {
    p.k = repeat_interleave(p.k, heads / k_heads, -3);
    p.v = repeat_interleave(p.v, heads / v_heads, -3);
  }
  p.group = heads / p.k.size(-3);
}

// The mask as it meets s, of the computed dtype.
Tensor prepared_mask(const Problem& p, const Tensor& mask, DType dtype) {
  const DType t = mask.dtype();
  DLCORE_CHECK(t == DType::Bool || t == dtype || t == DType::Float32, RuntimeError, kOp,
               ": attn_mask must be bool, float32 or of query's dtype, ", name(dtype), ", but got ", name(t));
  const Dims full = shape(p.q_lead, p.queries(), p.keys());
  const bool fits = mask.dim() <= full.size() && broadcast_shapes(kOp, mask.sizes(), full) == full;
  DLCORE_CHECK(fits, RuntimeError, kOp, ": attn_mask must broadcast to ", full, ", but got shape ", mask.sizes());
  const Tensor m = t == DType::Bool ? mask : to_dtype(mask, p.q.dtype());
  const bool plain = m.dim() == 0 || m.size(-1) <= 1 || m.strides().back() <= 1;
  return expand(plain ? m : contiguous(m), full);
}

// All but mask, pairs and dropout.
Problem problem_of(const Tensor& query, const Tensor& key, const Tensor& value, std::optional<double> scale,
                   bool enable_gqa) {
  const auto prepared = [&](const Tensor& x) { return with_rows(to_dtype(x, compute_dtype(x.dtype()))); };
  Problem p;
  p.q = prepared(query), p.k = prepared(key), p.v = prepared(value);
  if (enable_gqa) share_heads(p);
  p.q_lead = p.k_lead = common_lead({&p.q, &p.k, &p.v}, p.group > 1 ? 3 : 2);
  if (p.group > 1) p.q_lead.push_back(p.q.size(-3)), p.k_lead.push_back(p.k.size(-3));
  p.scale = scale ? *scale : 1 / std::sqrt(static_cast<double>(p.depth()));
  return p;
}

Tensor attend(Problem p, AttentionPairs pairs, double dropout, DType dtype) {
  p.pairs = std::make_shared<AttentionPairs>(std::move(pairs));
  p.dropout = dropout;
  if (dropout > 0) {
    const int64_t words = 4 * kernel::kRandomCounters, blocks = (p.keys() + words - 1) / words;
    const int64_t counters = checked_numel(kOp, shape(p.q_lead, p.queries(), blocks)) * kernel::kRandomCounters;
    p.random = default_generator().reserve(static_cast<uint64_t>(counters));
  }
  Result r = forward(p);
  record(kOp, r.y, {p.q, p.k, p.v, p.mask},
         [p, q = Saved(p.q), k = Saved(p.k), v = Saved(p.v), mask = Saved(p.mask), y = Saved::output(r.y),
          softmax = r.softmax](Gradients& g) mutable {
           p.q = q(), p.k = k(), p.v = v();  // which refuse if they changed
           if (mask.defined()) p.mask = mask();
           const Wanted wanted{g.needs(0), g.needs(1), g.needs(2), g.needs(3)};
           const AttentionGradients d = is_grad_enabled() ? composed_backward(p, g.dy())
                                                          : fused_backward(p, {y.get(g), softmax}, g.dy(), wanted);
           g.set(0, [&] { return d.q; });
           g.set(1, [&] { return d.k; });
           g.set(2, [&] { return d.v; });
           g.set(3, [&] { return d.mask; });
         });
  return to_dtype(r.y, dtype);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa) {
  check_inputs(query, key, value, dropout_p);
  DLCORE_CHECK(!(is_causal && attn_mask.defined()), RuntimeError, kOp,
               ": attn_mask must not be given together with is_causal");
  Problem p = problem_of(query, key, value, scale, enable_gqa);
  if (attn_mask.defined()) p.mask = prepared_mask(p, attn_mask, query.dtype());
  p.restricted = is_causal;
  const int64_t queries = p.queries(), keys = p.keys();
  return attend(std::move(p),
                is_causal ? AttentionPairs::band(queries, keys, -queries, 0) : AttentionPairs::all(queries, keys),
                dropout_p, query.dtype());
}

Tensor structured_attention(const Tensor& query, const Tensor& key, const Tensor& value, IntSpan program,
                            const TensorList& data, double dropout_p, std::optional<double> scale, bool enable_gqa) {
  check_inputs(query, key, value, dropout_p);
  Problem p = problem_of(query, key, value, scale, enable_gqa);
  p.restricted = true;
  AttentionPairs pairs = read_pairs({p.queries(), p.keys(), p.q_lead.empty() ? 1 : p.q_lead[0]}, program, data);
  return attend(std::move(p), std::move(pairs), dropout_p, query.dtype());
}

}  // namespace dlcore
