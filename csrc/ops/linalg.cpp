#include "core/allocator.h"
#include "core/launch.h"
#include "core/packed.h"
#include "kernels/registry.h"
#include "ops/internal.h"

// Products of matrices. Everything comes down to `product`, a batch of C = alpha A B + bias on the matrix engine, which
// takes any strides: a transposed operand is not copied, and a broadcast one has stride 0.
namespace dlcore {
namespace {

// The batch dimensions of a product, merged where all three operands walk them as one.
struct Batches {
  Dims sizes, a, b, c;

  Batches(const Tensor& x, const Tensor& y, const Tensor& z) {
    const int64_t n = z.dim() - 2;
    const auto stride = [&](const Tensor& t, int64_t d) {  // of z's batch dimension d in t
      const int64_t own = d - (n - (t.dim() - 2));
      return own < 0 || t.sizes()[own] == 1 ? 0 : t.strides()[own];
    };
    for (int64_t d = 0; d < n; ++d) {
      const int64_t size = z.sizes()[d], sa = stride(x, d), sb = stride(y, d), sc = stride(z, d);
      if (size == 1) continue;
      if (!sizes.empty() && a.back() == sa * size && b.back() == sb * size && c.back() == sc * size) {
        const int64_t last = sizes.size() - 1;
        sizes[last] *= size;
        a[last] = sa;
        b[last] = sb;
        c[last] = sc;
      } else {
        sizes.push_back(size);
        a.push_back(sa);
        b.push_back(sb);
        c.push_back(sc);
      }
    }
    if (sizes.empty()) {
      for (Dims* d : {&sizes, &a, &b, &c}) d->push_back(0);
      sizes[0] = 1;
    }
  }
};

struct Epilogue {
  Scalar alpha = 1, beta = 0;
  Tensor bias;          // (n), contiguous
  bool keep_b = false;  // b may be multiplied again as it is: its panels are worth keeping
};

// The panels of b, a matrix, where they are kept (core/packed.h). Products of few rows or columns read b as it lies.
struct PanelsKey {
  const KernelTable* tier;
  DType dtype;
  int64_t n, k;
  bool operator==(const PanelsKey&) const = default;
};
std::shared_ptr<const Workspace> kept_panels(const Tensor& b, const kernel::Gemm& g) {
  constexpr int64_t few = 8, small = 1 << 12;
  if (g.m < few || g.n < few || g.n * g.k < small || b.dim() != 2) return nullptr;
  const KernelTable& table = kernels();
  return kept_packed(b, true, PanelsKey{&table, g.dtype, g.n, g.k}, table.gemm_packed_b_size(g), [&](void* to) {
    kernel::Gemm from = g;
    from.b = b.raw_data();
    table.gemm_pack_b(from, to);
  });
}

// c (..., m, n) = alpha a (..., m, k) b (..., k, n) + beta c + bias; the batch dimensions of a and b broadcast to those
// of c.
void product(const char* op, const Tensor& c, const Tensor& a, const Tensor& b, const Epilogue& e = {}) {
  const TensorImpl &x = *a.impl(), &y = *b.impl(), &z = *c.impl();
  const int64_t ia = x.ndim() - 2, ib = y.ndim() - 2, ic = z.ndim() - 2;
  kernel::GemmBatch g{};
  kernel::Gemm& first = g.first;
  first.dtype = z.dtype;
  first.m = z.sizes[ic];
  first.n = z.sizes[ic + 1];
  first.k = x.sizes[ia + 1];
  first.a_row = x.strides[ia];
  first.a_col = x.strides[ia + 1];
  first.b_row = y.strides[ib];
  first.b_col = y.strides[ib + 1];
  first.c_row = z.strides[ic];
  first.c_col = z.strides[ic + 1];
  first.alpha = e.alpha.to_double();
  first.beta = e.beta.to_double();
  first.bias = e.bias.defined() ? e.bias.raw_data() : nullptr;
  if (z.numel == 0) return;

  const Batches batches(a, b, c);
  const int64_t outer = batches.sizes.size() - 1, item = item_size(z.dtype);
  g.batch = batches.sizes[outer];
  g.a_batch = batches.a[outer];
  g.b_batch = batches.b[outer];
  g.c_batch = batches.c[outer];
  const auto panels = e.keep_b ? kept_panels(b, first) : nullptr;
  first.b_packed = panels != nullptr;

  const double elements = static_cast<double>(z.numel);
  const Cost cost{static_cast<double>(item) * (elements + static_cast<double>(x.numel + y.numel)),
                  2 * elements * static_cast<double>(first.k)};
  const bool integers = !is_floating(z.dtype);
  const Workspace workspace(integers ? 0 : kernels().gemm_workspace(g));
  Dims index(outer, 0);
  launch(op, cost, [&] {
    int64_t oa = 0, ob = 0, oc = 0;
    for (;;) {
      first.a = x.data() + oa * item;
      first.b = panels ? static_cast<const char*>(panels->data()) : y.data() + ob * item;
      first.c = z.data() + oc * item;
      if (integers)
        kernels().gemm_int64(g);
      else
        kernels().gemm(g, workspace.data());
      int64_t d = outer - 1;
      for (; d >= 0; --d) {
        oa += batches.a[d];
        ob += batches.b[d];
        oc += batches.c[d];
        if (++index[d] < batches.sizes[d]) break;
        oa -= batches.a[d] * batches.sizes[d];
        ob -= batches.b[d] * batches.sizes[d];
        oc -= batches.c[d] * batches.sizes[d];
        index[d] = 0;
      }
      if (d < 0) break;
    }
  });
}

void check_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  DLCORE_CHECK(a.dtype() == b.dtype(), RuntimeError, op, ": expected both matrices to have the same dtype, but got ",
               name(a.dtype()), " and ", name(b.dtype()));
}

void check_inner(const char* op, const Tensor& a, const Tensor& b) {
  DLCORE_CHECK(a.sizes().back() == b.sizes()[b.dim() - 2], RuntimeError, op, ": shapes ", a.sizes(), " and ", b.sizes(),
               " cannot be multiplied: the inner sizes are ", a.sizes().back(), " and ", b.sizes()[b.dim() - 2]);
}

// The dtype that the engine multiplies t in.
DType product_dtype(DType t) { return is_floating(t) ? compute_dtype(t) : DType::Int64; }

// a (..., m, k) b (..., k, n) of one floating point or int64 dtype, at least two dimensions each.
Tensor matrices(const char* op, const Tensor& a, const Tensor& b) {
  check_inner(op, a, b);
  const auto batch = [](const Tensor& t) { return IntSpan(t.sizes().data(), static_cast<size_t>(t.dim() - 2)); };
  Dims sizes = broadcast_shapes(op, batch(a), batch(b));
  sizes.push_back(a.sizes()[a.dim() - 2]);
  sizes.push_back(b.sizes().back());
  Tensor y = new_tensor(sizes, a.dtype());
  product(op, y, a, b);
  if (needs_graph(a, b))
    record(op, y, {a, b}, [a = Saved(a), b = Saved(b)](Gradients& g) {
      // y = a b:  da = dy b^T,  db = a^T dy, summed by the engine where the batch was broadcast
      g.set(0, [&] { return matmul(g.dy(), mT(b())); });
      g.set(1, [&] { return matmul(mT(a()), g.dy()); });
    });
  return y;
}

// matmul of operands with at least two dimensions, of any dtype.
Tensor multiply(const char* op, const Tensor& a, const Tensor& b) {
  check_same_dtype(op, a, b);
  const DType dtype = a.dtype(), in = product_dtype(dtype);
  if (in != dtype) return to_dtype(multiply(op, to_dtype(a, in), to_dtype(b, in)), dtype);
  // One matrix for all of a's batches: one tall product, whose gradient for b needs no sum over batches afterwards.
  if (b.dim() == 2 && a.dim() > 2 && a.numel() > 0) {
    check_inner(op, a, b);
    Dims sizes = sizes_of(a);
    sizes[sizes.size() - 1] = b.sizes()[1];
    return view(matrices(op, reshape(a, {-1, a.sizes().back()}), b), sizes);
  }
  return matrices(op, a, b);
}

Tensor scaled(const Tensor& x, Scalar s) { return !s.is_floating() && s.to_int() == 1 ? x : mul(x, number(s)); }
bool is_zero(Scalar s) { return s.to_double() == 0; }

// beta c + alpha (the product p)
Tensor add_product(const Tensor& c, const Tensor& p, Scalar beta, Scalar alpha) {
  if (is_zero(beta)) return scaled(p, alpha);
  return add(scaled(c, beta), p, alpha);
}

void check_dims(const char* op, const char* argument, const Tensor& t, int64_t dims) {
  DLCORE_CHECK(t.dim() == dims, RuntimeError, op, ": ", argument, " must have ", dims, " dimension",
               dims == 1 ? "" : "s", ", got shape ", t.sizes());
}

void check_expandable(const char* op, const Tensor& c, IntSpan sizes) {
  DLCORE_CHECK(broadcast_shapes(op, c.sizes(), sizes) == sizes, RuntimeError, op, ": input of shape ", c.sizes(),
               " does not broadcast to the product's shape ", sizes);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  DLCORE_CHECK(a.dim() > 0 && b.dim() > 0, RuntimeError,
               "matmul: both operands must have at least one dimension, got shapes ", a.sizes(), " and ", b.sizes());
  if (a.dim() >= 2 && b.dim() >= 2) return multiply("matmul", a, b);
  if (a.dim() == 1 && b.dim() == 1) return dot(a, b);
  if (a.dim() == 1) return squeeze(multiply("matmul", unsqueeze(a, 0), b), IntSpan{-2});
  return squeeze(multiply("matmul", a, unsqueeze(b, 1)), IntSpan{-1});
}

Tensor mm(const Tensor& a, const Tensor& b) {
  check_dims("mm", "input", a, 2);
  check_dims("mm", "mat2", b, 2);
  return multiply("mm", a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  check_dims("bmm", "input", a, 3);
  check_dims("bmm", "mat2", b, 3);
  DLCORE_CHECK(a.size(0) == b.size(0), RuntimeError, "bmm: expected the same batch size, got shapes ", a.sizes(),
               " and ", b.sizes());
  return multiply("bmm", a, b);
}

Tensor mv(const Tensor& a, const Tensor& x) {
  check_dims("mv", "input", a, 2);
  check_dims("mv", "vec", x, 1);
  return squeeze(multiply("mv", a, unsqueeze(x, 1)), IntSpan{1});
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_dims("dot", "input", a, 1);
  check_dims("dot", "tensor", b, 1);
  DLCORE_CHECK(a.numel() == b.numel(), RuntimeError, "dot: expected vectors of the same length, got ", a.numel(),
               " and ", b.numel());
  return reshape(multiply("dot", unsqueeze(a, 0), unsqueeze(b, 1)), {});
}

Tensor inner(const Tensor& a, const Tensor& b) {
  if (a.dim() == 0 || b.dim() == 0) return mul(a, b);
  DLCORE_CHECK(a.sizes().back() == b.sizes().back(), RuntimeError, "inner: the last sizes must be equal, got shapes ",
               a.sizes(), " and ", b.sizes());
  const int64_t k = a.sizes().back();
  Dims sizes = sizes_of(a);
  sizes.resize(sizes.size() - 1);
  for (int64_t i = 0; i + 1 < b.dim(); ++i) sizes.push_back(b.sizes()[i]);
  const int64_t rows_a =
      k ? a.numel() / k : checked_numel("inner", IntSpan(a.sizes().data(), static_cast<size_t>(a.dim() - 1)));
  const int64_t rows_b =
      k ? b.numel() / k : checked_numel("inner", IntSpan(b.sizes().data(), static_cast<size_t>(b.dim() - 1)));
  return reshape(multiply("inner", reshape(a, {rows_a, k}), mT(reshape(b, {rows_b, k}))), sizes);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check_dims("outer", "input", a, 1);
  check_dims("outer", "vec2", b, 1);
  return mul(unsqueeze(a, 1), b);
}

Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  check_dims("addmm", "mat1", a, 2);
  check_dims("addmm", "mat2", b, 2);
  check_inner("addmm", a, b);
  check_same_dtype("addmm", a, b);
  check_same_dtype("addmm", c, a);
  check_expandable("addmm", c, {a.size(0), b.size(1)});
  const DType dtype = a.dtype();
  if (!is_floating(dtype) || is_half(dtype)) return add_product(c, multiply("addmm", a, b), beta, alpha);
  // c goes into the result first, and the engine adds to it.
  Tensor y = new_tensor({a.size(0), b.size(1)}, dtype);
  const bool bias = c.dim() == 1 && c.is_contiguous() && c.numel() == b.size(1) && beta.to_double() == 1;
  if (!bias && !is_zero(beta)) copy_data(y, c);
  product("addmm", y, a, b, {alpha, bias ? Scalar(0) : beta, bias ? c : Tensor()});
  if (needs_graph(c, a, b))
    record("addmm", y, {c, a, b}, [a = Saved(a), b = Saved(b), beta, alpha](Gradients& g) {
      g.set(0, [&] { return scaled(g.dy(), beta); });
      g.set(1, [&] { return scaled(matmul(g.dy(), mT(b())), alpha); });
      g.set(2, [&] { return scaled(matmul(mT(a()), g.dy()), alpha); });
    });
  return y;
}

Tensor addmv(const Tensor& c, const Tensor& a, const Tensor& x, Scalar beta, Scalar alpha) {
  const Tensor p = mv(a, x);
  check_expandable("addmv", c, p.sizes());
  return add_product(c, p, beta, alpha);
}

Tensor addr(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  const Tensor p = outer(a, b);
  check_expandable("addr", c, p.sizes());
  return add_product(c, p, beta, alpha);
}

Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  const Tensor p = bmm(a, b);
  check_expandable("baddbmm", c, p.sizes());
  return add_product(c, p, beta, alpha);
}

Tensor addbmm(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  const Tensor p = sum(bmm(a, b), IntSpan{0});
  check_expandable("addbmm", c, p.sizes());
  return add_product(c, p, beta, alpha);
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  DLCORE_CHECK(x.dim() >= 1, RuntimeError, "linear: input must have at least one dimension, got shape ", x.sizes());
  DLCORE_CHECK(w.dim() == 2 || w.dim() == 1, RuntimeError,
               "linear: weight must have shape (out_features, in_features), got ", w.sizes());
  if (w.dim() == 1) return bias.defined() ? add(matmul(x, w), bias) : matmul(x, w);
  DLCORE_CHECK(x.sizes().back() == w.sizes()[1], RuntimeError, "linear: input must have ", w.sizes()[1],
               " features (the weight has shape ", w.sizes(), "), got shape ", x.sizes());
  check_same_dtype("linear", x, w);
  if (bias.defined()) {
    check_same_dtype("linear", x, bias);
    DLCORE_CHECK(bias.sizes() == IntSpan{w.sizes()[0]}, RuntimeError, "linear: bias must have shape (", w.sizes()[0],
                 ",), got ", bias.sizes());
  }
  const DType dtype = x.dtype(), in = product_dtype(dtype);
  if (in != dtype)
    return to_dtype(linear(to_dtype(x, in), to_dtype(w, in), bias.defined() ? to_dtype(bias, in) : bias), dtype);

  const int64_t features = w.sizes()[1], out = w.sizes()[0];
  Dims sizes = sizes_of(x);
  sizes[sizes.size() - 1] = out;
  const int64_t rows = checked_numel("linear", IntSpan(x.sizes().data(), static_cast<size_t>(x.dim() - 1)));
  Tensor y = new_tensor(sizes, dtype);
  const bool graph = needs_graph(x, w, bias);
  {
    NoGrad no_grad;
    const Tensor x2 = x.dim() == 2 ? x : reshape(x, {rows, features});
    Epilogue e;
    if (bias.defined()) e.bias = contiguous(bias);
    e.keep_b = !graph;
    product("linear", y.dim() == 2 ? y : alias(y, {rows, out}, {out, 1}, 0), x2,
            alias(w, {features, out}, {w.strides()[1], w.strides()[0]}, w.storage_offset()), e);
  }
  if (graph)
    record("linear", y, {x, w, bias}, [x = Saved(x), w = Saved(w), rows](Gradients& g) {
      // dx = dy w,  dw = dy^T x,  dbias = sum over the rows of dy
      const int64_t out = w().sizes()[0], features = w().sizes()[1];
      const Tensor& dy = g.dy();
      const Tensor rows_of_dy = dy.dim() == 2 ? dy : reshape(dy, {rows, out});
      g.set(0, [&] { return matmul(dy, w()); });
      g.set(1, [&] { return matmul(mT(rows_of_dy), x().dim() == 2 ? x() : reshape(x(), {rows, features})); });
      g.set(2, [&] { return sum(rows_of_dy, IntSpan{0}); });
    });
  return y;
}

}  // namespace dlcore
