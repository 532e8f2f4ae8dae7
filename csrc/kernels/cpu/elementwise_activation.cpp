#include "kernels/cpu/math_erf.h"
#include "kernels/cpu/rows.h"

// One functor an op of DLCORE_ELEMENTWISE_ACTIVATION, backward below forward.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class V>
DLCORE_INLINE V number(double x) {
  return V(static_cast<typename V::scalar>(x));
}

// ---- relu and its like: straight lines

struct Relu : Light {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(x < number<V>(0), number<V>(0), x);
  }
};
struct Threshold : Light {
  const double* p;
  explicit Threshold(const double* params) : p(params) {}
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(x <= number<V>(p[0]), number<V>(p[1]), x);
  }
};
struct ReluBackward : Light {  // of relu (by its input or its result) and threshold
  double threshold;
  explicit ReluBackward(const double* p) : threshold(p[0]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    return select(x <= number<V>(threshold), number<V>(0), dy);
  }
};

struct LeakyRelu {
  double slope;
  explicit LeakyRelu(const double* p) : slope(p[0]) {}
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(x > number<V>(0), x, x * number<V>(slope));
  }
};
struct LeakyReluBackward {
  double slope;
  explicit LeakyReluBackward(const double* p) : slope(p[0]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    return select(x > number<V>(0), dy, dy * number<V>(slope));
  }
};
struct Prelu {
  template <class V>
  DLCORE_INLINE V operator()(V x, V slope) const {
    return select(x > number<V>(0), x, x * slope);
  }
};

struct Hardswish {  // x min(max(x + 3, 0), 6) / 6
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x * min(number<V>(6), max(number<V>(0), x + number<V>(3))) / number<V>(6);
  }
};
struct HardswishBackward {
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const V three = number<V>(3), inner = dy * (x / three + number<V>(0.5));
    return select(x <= -three, number<V>(0), select(x < three, inner, dy));
  }
};
struct Hardsigmoid {  // min(max(x + 3, 0), 6) / 6
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return min(number<V>(6), max(number<V>(0), x + number<V>(3))) / number<V>(6);
  }
};

struct Hardshrink {
  double lambda;
  explicit Hardshrink(const double* p) : lambda(p[0]) {}
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(abs(x) <= number<V>(lambda), number<V>(0), x);
  }
};
struct Softshrink {
  double lambda;
  explicit Softshrink(const double* p) : lambda(p[0]) {}
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(abs(x) <= number<V>(lambda), number<V>(0), x - copysign(number<V>(lambda), x));
  }
};

struct ClampBackward {  // dy where p <= x <= q
  double low, high;
  explicit ClampBackward(const double* p) : low(p[0]), high(p[1]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    return select((x >= number<V>(low)) & (x <= number<V>(high)), dy, number<V>(0));
  }
};
struct InsideBackward {  // dy but where x <= p or x >= q
  double low, high;
  explicit InsideBackward(const double* p) : low(p[0]), high(p[1]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    return select((x <= number<V>(low)) | (x >= number<V>(high)), number<V>(0), dy);
  }
};
struct OutsideBackward {  // dy but where p <= x <= q
  double low, high;
  explicit OutsideBackward(const double* p) : low(p[0]), high(p[1]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    return select((x >= number<V>(low)) & (x <= number<V>(high)), number<V>(0), dy);
  }
};

// ---- with exponentials

struct Elu {  // q x for x > 0, else p (exp(r x) - 1)
  double negative, positive, input;
  explicit Elu(const double* p) : negative(p[0]), positive(p[1]), input(p[2]) {}
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(x > number<V>(0), x * number<V>(positive), expm1(x * number<V>(input)) * number<V>(negative));
  }
};
struct EluBackward {
  double negative, positive, input;
  explicit EluBackward(const double* p) : negative(p[0]), positive(p[1]), input(p[2]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const V inner = dy * number<V>(negative * input) * exp(x * number<V>(input));
    return select(x <= number<V>(0), inner, dy * number<V>(positive));
  }
};

struct Silu {  // x / (1 + exp(-x))
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x / (number<V>(1) + exp(-x));
  }
};
struct SiluBackward {  // with s = sigmoid(x): dy s (1 + x (1 - s))
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const V s = number<V>(1) / (number<V>(1) + exp(-x));
    return dy * s * fma(x, number<V>(1) - s, number<V>(1));
  }
};

struct SigmoidBackward {
  template <class V>
  DLCORE_INLINE V operator()(V dy, V y) const {
    return dy * (number<V>(1) - y) * y;
  }
};
struct TanhBackward {
  template <class V>
  DLCORE_INLINE V operator()(V dy, V y) const {
    return dy * (number<V>(1) - y * y);
  }
};

// The standard normal distribution function: from the tail, so that nothing cancels for x < 0.
template <int N>
DLCORE_INLINE vec<float, N> normal_tail(vec<float, N> a) {  // erfc(a / sqrt 2) / 2 for a >= 0
  using V = vec<float, N>;
  // log2(erfc(a / sqrt 2)) / a on [0, 4 sqrt 2], so that a tail of 2^-y / 2 is right to 2 + y / 4 rounding errors
  constexpr float c[] = {-1.15110743f,     -0.45919043f,    -0.052535973f,    0.0070863217f,   -0.000112179820f,
                         -0.000226794742f, 6.14982491e-05f, -8.47105002e-06f, 6.32712386e-07f, -2.02689279e-08f};
  // 2^r / 2 on [-1/2, 1/2]
  constexpr float e[] = {0.5f, 0.346573502f, 0.120111212f, 0.0277536679f, 0.00483575649f, 0.000663236366f};
  const V y = a * polynomial(a, c), n = round_even(y);
  return select(a > V(5.65685425f), V(0.0f), scale(polynomial(y - n, e), n));
}
template <int N>
DLCORE_INLINE vec<double, N> normal_tail(vec<double, N> a) {
  using V = vec<double, N>;
  a = a * V(0.70710678118654752);
  const V far = select(a < V(kErfEnd<double>), erfc_far(a), V(0.0));
  return V(0.5) * select(a < V(kErfBorder<double>), V(1.0) - erf_near(a), select(is_nan(a), a, far));
}
template <class V>
DLCORE_INLINE V normal_cdf(V x) {
  const V tail = normal_tail(abs(x));
  return select(x < number<V>(0), tail, number<V>(1) - tail);
}
struct Gelu {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x * normal_cdf(x);
  }
};
struct GeluBackward {  // dy (cdf(x) + x pdf(x))
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const V pdf = number<V>(0.39894228040143268) * exp(number<V>(-0.5) * x * x);
    return dy * fma(x, pdf, normal_cdf(x));
  }
};

// x (1 + tanh u) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
template <class V>
DLCORE_INLINE V gelu_gate(V x) {
  const V twice_u = number<V>(1.5957691216057308) * x * fma(x * x, number<V>(0.044715), number<V>(1));
  return number<V>(1) / (number<V>(1) + exp(-twice_u));
}
struct GeluTanh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x * gelu_gate(x);
  }
};
struct GeluTanhBackward {  // with s = sigmoid(2 u): dy (s + x s (1 - s) 2 u')
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const V s = gelu_gate(x);
    const V slope = number<V>(1.5957691216057308) * fma(x * x, number<V>(3 * 0.044715), number<V>(1));
    return dy * fma(x * slope, s * (number<V>(1) - s), s);
  }
};

// tanh(log(1 + e)) = w / (w + 2) with w = e (e + 2), e = exp(x)
template <class V>
struct MishParts {
  V e, t;
  DLCORE_INLINE explicit MishParts(V x) : e(exp(min(number<V>(20), x))) {
    const V w = e * (e + number<V>(2));
    t = w / (w + number<V>(2));
  }
};
struct Mish {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x * MishParts<V>(x).t;
  }
};
struct MishBackward {  // dy (t + x (1 - t^2) sigmoid(x))
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const MishParts<V> m(x);
    const V s = m.e / (number<V>(1) + m.e);
    return dy * fma(x * s, number<V>(1) - m.t * m.t, m.t);
  }
};

struct Softplus {  // log(1 + exp(p x)) / p; x where p x > q
  double beta, threshold;
  explicit Softplus(const double* p) : beta(p[0]), threshold(p[1]) {}
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    const V z = x * number<V>(beta);
    return select(z > number<V>(threshold), x, log1p(exp(z)) / number<V>(beta));
  }
};
struct SoftplusBackward {
  double beta, threshold;
  explicit SoftplusBackward(const double* p) : beta(p[0]), threshold(p[1]) {}
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    const V z = x * number<V>(beta);
    return select(z > number<V>(threshold), dy, dy * sigmoid(z));
  }
};
struct Softsign {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x / (number<V>(1) + abs(x));
  }
};
struct LogSigmoid {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return select(x < number<V>(0), x, number<V>(0)) - log1p(exp(-abs(x)));
  }
};
struct LogSigmoidBackward {
  template <class V>
  DLCORE_INLINE V operator()(V dy, V x) const {
    return dy * sigmoid(-x);
  }
};
struct Tanhshrink {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return x - tanh(x);
  }
};

}  // namespace

Row activation_row(ElementwiseOp op, DType compute) {
  switch (op) {
    DLCORE_ELEMENTWISE_ACTIVATION(DLCORE_ROW_CASE)
    default:
      return nullptr;
  }
}

}  // namespace dlcore::kernel::DLCORE_TIER
