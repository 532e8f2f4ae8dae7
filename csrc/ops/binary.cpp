// Functions of two tensors, with broadcasting and type promotion.
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/sparse_rows.h"

namespace dlcore {

Tensor number(Scalar value) { return wrapped_number(value); }

namespace {

// ---- what the families below share

struct Binary {
  const char* name;
  ElementwiseOp op;
  DType (*result)(const char* name, DType promoted);
  Tensor (*da)(const Tensor& dy, const Tensor& a, const Tensor& b);
  Tensor (*db)(const Tensor& dy, const Tensor& a, const Tensor& b);
};

DType any(const char*, DType t) { return t; }
DType floating(const char*, DType t) { return to_floating(t); }
DType no_bool(const char* op, DType t) {
  DLCORE_CHECK(t != DType::Bool, NotImplementedError, op, ": not defined for two bool tensors");
  return t;
}
DType only_floating(const char* op, DType t) {
  DLCORE_CHECK(is_floating(t), NotImplementedError, op, ": inputs must be floating point, got ", name(t));
  return t;
}

Elementwise plan(const Binary& f, const Tensor& a, const Tensor& b) {
  const DType t = f.result(f.name, result_type(a, b));
  return {f.name, f.op, row_dtype(t), t};
}

Tensor binary(const Binary& f, const Tensor& a, const Tensor& b) {
  const Elementwise e = plan(f, a, b);
  Tensor y = compute(e, {narrowed(a, e.result), narrowed(b, e.result)});
  if (needs_graph(a, b))
    record(f.name, y, {a, b}, [da = f.da, db = f.db, a = Saved(a), b = Saved(b)](Gradients& g) {
      g.set(0, [&] { return da(g.dy(), a(), b()); });
      g.set(1, [&] { return db(g.dy(), a(), b()); });
    });
  return y;
}

Tensor binary_(const Binary& f, const char* name, const Tensor& x, const Tensor& b) {
  const Elementwise e = plan(f, x, b);
  return inplace_op(name, x, e, {x, narrowed(b, e.result)}, needs_graph(x, b),
                    [&](const Tensor& old) { return binary(f, old, b); });
}

// 0 or 1, as a factor for dy, without history.
Tensor compare(ElementwiseOp op, const Tensor& a, const Tensor& b) {
  const DType t = result_type(a, b);
  return compute({"compare", op, row_dtype(t), DType::Bool}, {a, b});
}

Scalar negative(Scalar s) { return s.is_floating() ? Scalar(-s.to_double()) : Scalar(-s.to_int()); }
bool is_one(Scalar s) { return s.kind() == Scalar::Kind::Int && s.to_int() == 1; }
Tensor scaled(const Tensor& x, Scalar alpha) { return is_one(alpha) ? x : mul(x, number(alpha)); }

// ---- a + alpha b

struct Sum {
  Elementwise e;
  Tensor alpha;  // undefined: 1
};
Sum plan_sum(const char* op, ElementwiseOp plain, const Tensor& a, const Tensor& b, Scalar alpha) {
  const DType t = result_type(a, b);
  if (is_one(alpha)) return {{op, plain, row_dtype(t), t}, {}};
  DLCORE_CHECK(is_floating(t) || !alpha.is_floating(), RuntimeError, op,
               ": alpha must be an integer where the inputs are integers, got ", alpha.to_double());
  DLCORE_CHECK(t == DType::Bool || alpha.kind() != Scalar::Kind::Bool, RuntimeError, op,
               ": alpha may be a bool only where the result is bool, got a result of type ", name(t));
  return {{op, ElementwiseOp::AddScaled, row_dtype(t), t},
          number(plain == ElementwiseOp::Sub ? negative(alpha) : alpha)};
}
Tensor sum_of(const Sum& s, const Tensor& a, const Tensor& b) {
  return s.alpha.defined() ? compute(s.e, {a, b, s.alpha}) : compute(s.e, {a, b});
}
template <class F>
Tensor sum_into(const char* name, const Sum& s, const Tensor& x, const Tensor& b, const F& out_of_place) {
  return s.alpha.defined() ? inplace_op(name, x, s.e, {x, b, s.alpha}, needs_graph(x, b), out_of_place)
                           : inplace_op(name, x, s.e, {x, b}, needs_graph(x, b), out_of_place);
}

void check_sub(const Tensor& a, const Tensor& b) {
  DLCORE_CHECK(
      a.dtype() != DType::Bool && b.dtype() != DType::Bool, RuntimeError,
      "sub: a bool tensor cannot be subtracted or subtracted from; use logical_xor, bitwise_xor or logical_not");
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b, Scalar alpha) {
  Tensor y = sum_of(plan_sum("add", ElementwiseOp::Add, a, b, alpha), a, b);
  if (needs_graph(a, b))
    record("add", y, {a, b}, [alpha](Gradients& g) {
      g.set(0, [&] { return g.dy(); });
      g.set(1, [&] { return scaled(g.dy(), alpha); });
    });
  return y;
}
Tensor add_(const Tensor& x, const Tensor& b, Scalar alpha) {
  if (const Rows rows = rows_of(b); rows && rows->sizes == x.sizes() && b.dtype() == x.dtype())
    return index_add_(x, 0, rows->indices, rows->values, alpha);
  return sum_into("add_", plan_sum("add_", ElementwiseOp::Add, x, b, alpha), x, b,
                  [&](const Tensor& old) { return add(old, b, alpha); });
}

Tensor sub(const Tensor& a, const Tensor& b, Scalar alpha) {
  check_sub(a, b);
  Tensor y = sum_of(plan_sum("sub", ElementwiseOp::Sub, a, b, alpha), a, b);
  if (needs_graph(a, b))
    record("sub", y, {a, b}, [alpha](Gradients& g) {
      g.set(0, [&] { return g.dy(); });
      g.set(1, [&] { return scaled(g.dy(), negative(alpha)); });
    });
  return y;
}
Tensor sub_(const Tensor& x, const Tensor& b, Scalar alpha) {
  check_sub(x, b);
  return sum_into("sub_", plan_sum("sub_", ElementwiseOp::Sub, x, b, alpha), x, b,
                  [&](const Tensor& old) { return sub(old, b, alpha); });
}
Tensor rsub(const Tensor& a, const Tensor& b, Scalar alpha) { return sub(b, a, alpha); }

void add_into(const Tensor& sum, const Tensor& g) {
  if (const Rows rows = rows_of(g)) return add_rows_into(sum, *rows);
  compute_into(sum, {"add_", ElementwiseOp::Add, row_dtype(sum.dtype()), sum.dtype()}, {sum, g});
}

// ---- products and quotients

Tensor mul(const Tensor& a, const Tensor& b) {
  const DType t = result_type(a, b);
  Tensor y = compute({"mul", ElementwiseOp::Mul, row_dtype(t), t}, {a, b});
  if (needs_graph(a, b))
    record("mul", y, {a, b},
           [a = Saved(requires_grad(b) ? a : Tensor{}), b = Saved(requires_grad(a) ? b : Tensor{})](Gradients& g) {
             g.set(0, [&] { return mul(g.dy(), b()); });
             g.set(1, [&] { return mul(g.dy(), a()); });
           });
  return y;
}
Tensor mul_(const Tensor& x, const Tensor& b) {
  const DType t = result_type(x, b);
  if (const Rows rows = rows_of(x); rows && b.dim() == 0 && t == x.dtype() && !needs_graph(b))
    return change_rows("mul_", x, *rows, [&](const SparseRows& r) {
      return SparseRows{r.sizes, r.indices, mul(r.values, b), r.coalesced};
    });
  return inplace_op("mul_", x, {"mul_", ElementwiseOp::Mul, row_dtype(t), t}, {x, b}, needs_graph(x, b),
                    [&](const Tensor& old) { return mul(old, b); });
}

Tensor div(const Tensor& a, const Tensor& b) {
  const DType t = to_floating(result_type(a, b));
  Tensor y = compute({"div", ElementwiseOp::Div, row_dtype(t), t}, {a, b});
  if (needs_graph(a, b))
    record("div", y, {a, b}, [a = Saved(requires_grad(b) ? a : Tensor{}), b = Saved(b)](Gradients& g) {
      g.set(0, [&] { return div(g.dy(), b()); });
      g.set(1, [&] { return neg(mul(g.dy(), div(div(a(), b()), b()))); });
    });
  return y;
}
Tensor div_(const Tensor& x, const Tensor& b) {
  const DType t = to_floating(result_type(x, b));
  return inplace_op("div_", x, {"div_", ElementwiseOp::Div, row_dtype(t), t}, {x, b}, needs_graph(x, b),
                    [&](const Tensor& old) { return div(old, b); });
}

namespace {

Tensor no_gradient(const Tensor& dy, const Tensor&, const Tensor&) { return mul(dy.detach(), number(0)); }
Tensor pass(const Tensor& dy, const Tensor&, const Tensor&) { return dy; }

constexpr Binary floor_div{"div", ElementwiseOp::FloorDivide, no_bool, no_gradient, no_gradient};
constexpr Binary trunc_div{"div", ElementwiseOp::TruncDivide, no_bool, no_gradient, no_gradient};
constexpr Binary fmod_op{
    "fmod", ElementwiseOp::Fmod, no_bool, pass,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return neg(mul(dy, div(a, b, "trunc"))); }};
constexpr Binary remainder_op{
    "remainder", ElementwiseOp::Remainder, no_bool, pass,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return neg(mul(dy, div(a, b, "floor"))); }};

// Integers have no infinity to return.
void check_divisor(const char* op, const Tensor& a, const Tensor& b) {
  no_bool(op, result_type(a, b));
  if (is_floating(a.dtype()) || is_floating(b.dtype())) return;
  const Tensor zero = contiguous(compare(ElementwiseOp::Eq, b, number(0)));
  DLCORE_CHECK(zero.numel() == 0 || !std::memchr(zero.raw_data(), 1, static_cast<size_t>(zero.numel())), RuntimeError,
               op, ": integer division by zero (ZeroDivisionError)");
}

const Binary& rounded_division(const char* op, const std::string& mode) {
  DLCORE_CHECK(mode == "trunc" || mode == "floor", RuntimeError, op,
               ": rounding_mode must be None, 'trunc' or 'floor', got '", mode, "'");
  return mode == "floor" ? floor_div : trunc_div;
}

}  // namespace

Tensor div(const Tensor& a, const Tensor& b, std::optional<std::string> rounding_mode) {
  if (!rounding_mode) return div(a, b);
  const Binary& f = rounded_division("div", *rounding_mode);
  check_divisor("div", a, b);
  return binary(f, a, b);
}
Tensor div_(const Tensor& x, const Tensor& b, std::optional<std::string> rounding_mode) {
  if (!rounding_mode) return div_(x, b);
  const Binary& f = rounded_division("div_", *rounding_mode);
  check_divisor("div_", x, b);
  return binary_(f, "div_", x, b);
}
Tensor floor_divide(const Tensor& a, const Tensor& b) { return div(a, b, "floor"); }
Tensor floor_divide_(const Tensor& x, const Tensor& b) { return div_(x, b, "floor"); }

Tensor fmod(const Tensor& a, const Tensor& b) {
  check_divisor("fmod", a, b);
  return binary(fmod_op, a, b);
}
Tensor fmod_(const Tensor& x, const Tensor& b) {
  check_divisor("fmod_", x, b);
  return binary_(fmod_op, "fmod_", x, b);
}
Tensor remainder(const Tensor& a, const Tensor& b) {
  check_divisor("remainder", a, b);
  return binary(remainder_op, a, b);
}
Tensor remainder_(const Tensor& x, const Tensor& b) {
  check_divisor("remainder_", x, b);
  return binary_(remainder_op, "remainder_", x, b);
}

// ---- powers

namespace {

// Exponents whose power is one plain operation.
ElementwiseOp power_op(double exponent, bool floats) {
  if (exponent == 1) return ElementwiseOp::Copy;
  if (exponent == 2) return ElementwiseOp::Square;
  if (exponent == 3) return ElementwiseOp::Cube;
  if (floats && exponent == 0.5) return ElementwiseOp::Sqrt;
  if (floats && exponent == -0.5) return ElementwiseOp::Rsqrt;
  if (floats && exponent == -1) return ElementwiseOp::Reciprocal;
  return ElementwiseOp::Pow;
}

struct Power {
  Elementwise e;
  bool one_input;
};
Power plan_power(const Tensor& a, const Tensor& b) {
  // Of powers of bools only those with a number are there: x^True = x, x^False = 1, and those with an integer.
  const bool by_number = b.impl()->wrapped_number, bools = result_type(a, b) == DType::Bool;
  const DType t = by_number && bools && !a.impl()->wrapped_number ? DType::Bool : no_bool("pow", result_type(a, b));
  ElementwiseOp op = ElementwiseOp::Pow;
  if (by_number) {
    const double exponent = b.item().to_double();
    DLCORE_CHECK(is_floating(t) || exponent >= 0, RuntimeError,
                 "pow: integers have no negative integer powers, got exponent ", exponent);
    const bool is_unsigned = t == DType::UInt8 || t == DType::Bool;
    const double largest = std::ldexp(1.0, static_cast<int>(8 * item_size(t)) - (is_unsigned ? 0 : 1)) - 1;
    DLCORE_CHECK(is_floating(t) || exponent <= largest, RuntimeError, "pow: exponent ", exponent, " does not fit into ",
                 name(t));
    op = power_op(exponent, is_floating(t));
    if (op == ElementwiseOp::Copy && a.dtype() != t) op = ElementwiseOp::Pow;
  }
  return {{"pow", op, row_dtype(t), t}, op != ElementwiseOp::Pow};
}

Tensor pow_da(const Tensor& dy, const Tensor& a, const Tensor& b) {
  if (b.impl()->wrapped_number) {
    const double p = b.item().to_double();
    if (p == 0) return no_gradient(dy, a, b);
    return mul(
        dy,
        mul(p == 2 ? a : pow(a, number(b.dtype() == DType::Int64 ? Scalar(b.item().to_int() - 1) : Scalar(p - 1))), b));
  }
  // b a^(b - 1), and 0 (not 0 a^-1, which may be NaN) where b = 0
  const Tensor one_unless_0 = mul(compare(ElementwiseOp::Ne, b, number(0)), number(1));
  return mul(dy, mul(b, pow(a, sub(b, one_unless_0))));
}
// a^b log(a), and 0 where a = 0
Tensor pow_db(const Tensor& dy, const Tensor& a, const Tensor& b) {
  return mul(dy, xlogy(mul(pow(a, b), compare(ElementwiseOp::Ne, a, number(0))), a));
}

}  // namespace

Tensor pow(const Tensor& a, const Tensor& b) {
  const Power p = plan_power(a, b);
  Tensor y = p.one_input ? compute(p.e, {a}) : compute(p.e, {a, b});
  if (needs_graph(a, b)) {
    record("pow", y, {a, b}, [a = Saved(a), b = Saved(b)](Gradients& g) {
      g.set(0, [&] { return pow_da(g.dy(), a(), b()); });
      g.set(1, [&] { return pow_db(g.dy(), a(), b()); });
    });
  }
  return y;
}
Tensor pow_(const Tensor& x, const Tensor& b) {
  const Power p = plan_power(x, b);
  const auto out_of_place = [&](const Tensor& old) { return pow(old, b); };
  return p.one_input ? inplace_op("pow_", x, p.e, {x}, needs_graph(x, b), out_of_place)
                     : inplace_op("pow_", x, p.e, {x, b}, needs_graph(x, b), out_of_place);
}
Tensor float_power(const Tensor& a, const Tensor& b) {
  return pow(to_dtype(a, DType::Float64), b.impl()->wrapped_number ? b : to_dtype(b, DType::Float64));
}
Tensor float_power_(const Tensor& x, const Tensor& b) {
  DLCORE_CHECK(x.dtype() == DType::Float64, RuntimeError, "float_power_: the tensor must be float64 but got ",
               name(x.dtype()));
  return inplace("float_power_", x, [&](const Tensor& old) { return float_power(old, b); });
}

// ---- the others

namespace {

Tensor half_on_ties(const Tensor& dy, ElementwiseOp loses, const Tensor& a, const Tensor& b) {
  const Tensor share = sub(number(1.0), add(compare(loses, a, b), mul(compare(ElementwiseOp::Eq, a, b), number(0.5))));
  return mul(dy, share);
}

constexpr Binary maximum_op{
    "maximum", ElementwiseOp::Maximum, any,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return half_on_ties(dy, ElementwiseOp::Lt, a, b); },
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return half_on_ties(dy, ElementwiseOp::Gt, a, b); }};
constexpr Binary minimum_op{
    "minimum", ElementwiseOp::Minimum, any,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return half_on_ties(dy, ElementwiseOp::Gt, a, b); },
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return half_on_ties(dy, ElementwiseOp::Lt, a, b); }};

// Where a is the result: it wins or ties, or b is NaN.
Tensor first_taken(ElementwiseOp wins, const Tensor& a, const Tensor& b) {
  return compute({"compare", ElementwiseOp::LogicalOr, DType::Int32, DType::Bool},
                 {compare(wins, a, b), compare(ElementwiseOp::Ne, b, b)});
}
Tensor second_taken(ElementwiseOp wins, const Tensor& a, const Tensor& b) {
  return compute({"compare", ElementwiseOp::LogicalNot, DType::Int32, DType::Bool}, {first_taken(wins, a, b)});
}
constexpr Binary fmax_op{
    "fmax", ElementwiseOp::FMax, any,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, first_taken(ElementwiseOp::Ge, a, b)); },
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, second_taken(ElementwiseOp::Ge, a, b)); }};
constexpr Binary fmin_op{
    "fmin", ElementwiseOp::FMin, any,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, first_taken(ElementwiseOp::Le, a, b)); },
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, second_taken(ElementwiseOp::Le, a, b)); }};

constexpr Binary atan2_op{
    "atan2", ElementwiseOp::Atan2, floating,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, div(b, add(mul(a, a), mul(b, b)))); },
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) {
      return neg(mul(dy, div(a, add(mul(a, a), mul(b, b)))));
    }};
constexpr Binary xlogy_op{"xlogy", ElementwiseOp::Xlogy, floating,
                          +[](const Tensor& dy, const Tensor& a, const Tensor& b) {
                            return mul(dy, xlogy(to_dtype(compare(ElementwiseOp::Ne, a, number(0)), dy.dtype()), b));
                          },
                          +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, div(a, b)); }};
constexpr Binary logaddexp_op{
    "logaddexp", ElementwiseOp::LogAddExp, only_floating,
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, sigmoid(sub(a, b))); },
    +[](const Tensor& dy, const Tensor& a, const Tensor& b) { return mul(dy, sigmoid(sub(b, a))); }};

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) { return binary(maximum_op, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return binary(minimum_op, a, b); }
Tensor fmax(const Tensor& a, const Tensor& b) {
  return is_floating(result_type(a, b)) ? binary(fmax_op, a, b) : maximum(a, b);
}
Tensor fmin(const Tensor& a, const Tensor& b) {
  return is_floating(result_type(a, b)) ? binary(fmin_op, a, b) : minimum(a, b);
}
Tensor atan2(const Tensor& a, const Tensor& b) { return binary(atan2_op, a, b); }
Tensor atan2_(const Tensor& x, const Tensor& b) { return binary_(atan2_op, "atan2_", x, b); }
Tensor xlogy(const Tensor& a, const Tensor& b) { return binary(xlogy_op, a, b); }
Tensor xlogy_(const Tensor& x, const Tensor& b) { return binary_(xlogy_op, "xlogy_", x, b); }
Tensor logaddexp(const Tensor& a, const Tensor& b) { return binary(logaddexp_op, a, b); }

}  // namespace dlcore
