#pragma once
// The cells of recurrent layers: forward and backward of one unit, on vectors of units. With x = W_ih x_t + biases and
// h = W_hh h_{t-1} (+ b_hh, where kBiasInside) the parts of each gate's sum,
//
//   forward   x, h and the state before (c_{t-1} of Lstm, h_{t-1} of Gru)  ->  h_t; `kept` for backward; the new state
//   backward  dh = dL/dh_t from outside and from step t + 1's product  ->  dx, dh = dL/d(parts of the sums)
//
// `carry` is the gradient that goes to the step before past the product: dL/dc of Lstm, z dh of Gru.
#include "kernels/cpu/math.h"
#include "kernels/rnn.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <RnnCell>
struct Cell;

template <class V>
DLCORE_INLINE V rest(V x) {  // 1 - x
  return V(typename V::scalar(1)) - x;
}

template <>
struct Cell<RnnCell::Lstm> {
  static constexpr int kGates = 4, kKept = 4;
  static constexpr bool kBiasInside = false, kKeepsOutput = false, kState = true;

  template <class V>
  static DLCORE_INLINE V forward(const V (&x)[kGates], const V (&h)[kGates], V& c, V (&kept)[kKept]) {
    const V i = sigmoid(x[0] + h[0]), f = sigmoid(x[1] + h[1]), g = tanh(x[2] + h[2]), o = sigmoid(x[3] + h[3]);
    c = fma(f, c, i * g);
    kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o;
    return o * tanh(c);
  }
  //   dc += dh o (1 - tanh(c)^2)
  //   di = dc g i (1 - i),  df = dc c_{t-1} f (1 - f),  dg = dc i (1 - g^2),  do = dh tanh(c) o (1 - o)
  //   dc_{t-1} = dc f
  template <class V>
  static DLCORE_INLINE void backward(V dy, const V (&kept)[kKept], V before, V c, V& carry, V (&dx)[kGates],
                                     V (&dh)[kGates]) {
    const V i = kept[0], f = kept[1], g = kept[2], o = kept[3], t = tanh(c);
    const V dc = fma(dy * o, rest(t * t), carry);
    dx[0] = dh[0] = dc * g * (i * rest(i));
    dx[1] = dh[1] = dc * before * (f * rest(f));
    dx[2] = dh[2] = dc * i * rest(g * g);
    dx[3] = dh[3] = dy * t * (o * rest(o));
    carry = dc * f;
  }
};

template <>
struct Cell<RnnCell::Gru> {
  static constexpr int kGates = 3, kKept = 4;
  static constexpr bool kKeepsOutput = false, kState = true;
  static constexpr bool kBiasInside = true;  // r multiplies W_hn h + b_hn

  template <class V>
  static DLCORE_INLINE V forward(const V (&x)[kGates], const V (&h)[kGates], V& before, V (&kept)[kKept]) {
    const V r = sigmoid(x[0] + h[0]), z = sigmoid(x[1] + h[1]), n = tanh(fma(r, h[2], x[2]));
    kept[0] = r, kept[1] = z, kept[2] = n, kept[3] = h[2];
    return fma(z, before - n, n);
  }
  //   dh += z dh of step t + 1
  //   dz = dh (h_{t-1} - n) z (1 - z),  dn = dh (1 - z) (1 - n^2),  dr = dn (W_hn h + b_hn) r (1 - r)
  //   the product's share of n: r dn
  template <class V>
  static DLCORE_INLINE void backward(V dy, const V (&kept)[kKept], V before, V, V& carry, V (&dx)[kGates],
                                     V (&dh)[kGates]) {
    const V r = kept[0], z = kept[1], n = kept[2], d = dy + carry;
    dx[2] = d * rest(z) * rest(n * n);
    dx[1] = dh[1] = d * (before - n) * (z * rest(z));
    dx[0] = dh[0] = dx[2] * kept[3] * (r * rest(r));
    dh[2] = dx[2] * r;
    carry = d * z;
  }
};

// h_t is all that backward needs, so it is y that is kept.
template <bool Relu>
struct PlainCell {
  static constexpr int kGates = 1, kKept = 1;
  static constexpr bool kBiasInside = false, kKeepsOutput = true, kState = false;

  template <class V>
  static DLCORE_INLINE V forward(const V (&x)[kGates], const V (&h)[kGates], V&, V (&)[kKept]) {
    const V sum = x[0] + h[0], zero(typename V::scalar(0));
    return Relu ? select(sum < zero, zero, sum) : tanh(sum);  // keeps NaN
  }
  //   da = dh (1 - h^2), or dh where h > 0
  template <class V>
  static DLCORE_INLINE void backward(V dy, const V (&kept)[kKept], V, V, V&, V (&dx)[kGates], V (&dh)[kGates]) {
    const V zero(typename V::scalar(0));
    dx[0] = dh[0] = Relu ? select(kept[0] > zero, dy, zero) : dy * rest(kept[0] * kept[0]);
  }
};

template <>
struct Cell<RnnCell::Tanh> : PlainCell<false> {};
template <>
struct Cell<RnnCell::Relu> : PlainCell<true> {};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
