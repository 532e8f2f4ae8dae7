#pragma once
// Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural
// networks", 2016): a tile of the output of a 3x3 filter g from a tile d of the input, 2 larger in both directions,
//
//   y = A^T ((G g G^T) * (B^T d B)) A,
//
// takes 36 multiplications for 144, or 16 for 36. Each function here applies its matrix along one side of a tile. With
// the interpolation points z,
//
//   B^T  the products of (z - point) for all points but one, as polynomials in z
//   G    the filter at each point, over the product of the point's distances from the others
//   A^T  powers of the points
//
// and the adjoints A and G^T serve the gradient of the filters: dg = G^T ((B^T d B) * (A dy A^T)) G.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int kFilter = 3;

// Points 0, +-p, +-q and infinity. p = 5/8 and q = 3/2 make the rounding errors a quarter of those of the usual 1 and 2
// (measured), and all that stands in A and B exact.
struct F4 {
  static constexpr int kOut = 4, kIn = kOut + kFilter - 1, kPoints = kIn * kIn;
  static constexpr float kP = 0.625f, kQ = 1.5f, kP2 = kP * kP, kQ2 = kQ * kQ;
  // 1 / the product of a point's distances from the others
  static constexpr float kAtP = 1 / (2 * kP2 * (kP2 - kQ2)), kAtQ = 1 / (2 * kQ2 * (kQ2 - kP2));

  template <class V>
  static DLCORE_INLINE void input_transform(const V (&x)[kIn], V (&y)[kIn]) {
    const V p2(kP2), q2(kQ2), sum(kP2 + kQ2), product(kP2 * kQ2);
    const V a = fma(-q2, x[2], x[4]), b = V(kP) * fma(-q2, x[1], x[3]);
    const V c = fma(-p2, x[2], x[4]), d = V(kQ) * fma(-p2, x[1], x[3]);
    y[0] = fma(product, x[0], fma(-sum, x[2], x[4]));
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = fma(product, x[1], fma(-sum, x[3], x[5]));
  }
  template <class V>
  static DLCORE_INLINE void filter_transform(const V (&x)[kFilter], V (&y)[kIn]) {
    const V a = V(kAtP) * fma(V(kP2), x[2], x[0]), b = V(kAtP * kP) * x[1];
    const V c = V(kAtQ) * fma(V(kQ2), x[2], x[0]), d = V(kAtQ * kQ) * x[1];
    y[0] = V(1 / (kP2 * kQ2)) * x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = x[2];
  }
  template <class V>
  static DLCORE_INLINE void output_transform(const V (&x)[kIn], V (&y)[kOut]) {
    const V a = x[1] + x[2], b = V(kP) * (x[1] - x[2]), c = x[3] + x[4], d = V(kQ) * (x[3] - x[4]);
    y[0] = x[0] + a + c;
    y[1] = b + d;
    y[2] = fma(V(kP2), a, V(kQ2) * c);
    y[3] = fma(V(kP2), b, fma(V(kQ2), d, x[5]));
  }
  template <class V>
  static DLCORE_INLINE void output_adjoint(const V (&x)[kOut], V (&y)[kIn]) {
    const V a = fma(V(kP2), x[2], x[0]), b = V(kP) * fma(V(kP2), x[3], x[1]);
    const V c = fma(V(kQ2), x[2], x[0]), d = V(kQ) * fma(V(kQ2), x[3], x[1]);
    y[0] = x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = x[3];
  }
  template <class V>
  static DLCORE_INLINE void filter_adjoint(const V (&x)[kIn], V (&y)[kFilter]) {
    const V a = V(kAtP) * (x[1] + x[2]), b = V(kAtP * kP) * (x[1] - x[2]);
    const V c = V(kAtQ) * (x[3] + x[4]), d = V(kAtQ * kQ) * (x[3] - x[4]);
    y[0] = fma(V(1 / (kP2 * kQ2)), x[0], a + c);
    y[1] = b + d;
    y[2] = fma(V(kP2), a, fma(V(kQ2), c, x[5]));
  }
};

// Points 0, +-1 and infinity.
struct F2 {
  static constexpr int kOut = 2, kIn = kOut + kFilter - 1, kPoints = kIn * kIn;

  template <class V>
  static DLCORE_INLINE void input_transform(const V (&x)[kIn], V (&y)[kIn]) {
    y[0] = x[0] - x[2];
    y[1] = x[2] + x[1];
    y[2] = x[2] - x[1];
    y[3] = x[3] - x[1];
  }
  template <class V>
  static DLCORE_INLINE void filter_transform(const V (&x)[kFilter], V (&y)[kIn]) {
    const V a = V(0.5f) * (x[0] + x[2]), b = V(0.5f) * x[1];
    y[0] = x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = x[2];
  }
  template <class V>
  static DLCORE_INLINE void output_transform(const V (&x)[kIn], V (&y)[kOut]) {
    y[0] = x[0] + (x[1] + x[2]);
    y[1] = x[3] + (x[1] - x[2]);
  }
  template <class V>
  static DLCORE_INLINE void output_adjoint(const V (&x)[kOut], V (&y)[kIn]) {
    y[0] = x[0];
    y[1] = x[0] + x[1];
    y[2] = x[0] - x[1];
    y[3] = x[1];
  }
  template <class V>
  static DLCORE_INLINE void filter_adjoint(const V (&x)[kIn], V (&y)[kFilter]) {
    const V a = V(0.5f) * (x[1] + x[2]);
    y[0] = x[0] + a;
    y[1] = V(0.5f) * (x[1] - x[2]);
    y[2] = x[3] + a;
  }
};

// Applies f: (In) -> (Out) to the columns and then to the rows of an In x In tile; get(i, j) reads it, and put(i, j, y)
// takes the Out x Out result.
template <int In, int Out, class V, class F, class Get, class Put>
DLCORE_INLINE void transform_tile(const F& f, const Get& get, const Put& put) {
  V columns[Out][In];
#pragma GCC unroll 6
  for (int j = 0; j < In; ++j) {
    V x[In], y[Out];
#pragma GCC unroll 6
    for (int i = 0; i < In; ++i) x[i] = get(i, j);
    f(x, y);
#pragma GCC unroll 6
    for (int i = 0; i < Out; ++i) columns[i][j] = y[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Out; ++i) {
    V y[Out];
    f(columns[i], y);
#pragma GCC unroll 6
    for (int j = 0; j < Out; ++j) put(i, j, y[j]);
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
