#include "kernels/cpu/exp_sum.h"
#include "kernels/list.h"
#include "kernels/loss.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// max(0, d)^p, and its slope
template <int P>
struct Hinge {
  template <class V>
  static DLCORE_INLINE V value(V d) {
    const V zero(typename V::scalar(0)), h = select(d > zero, d, zero);
    return P == 2 ? h * h : h;
  }
  template <class V>
  static DLCORE_INLINE V slope(V d) {
    const V zero(typename V::scalar(0)), one(typename V::scalar(1));
    return select(d > zero, P == 2 ? d + d : one, zero);
  }
};

// For every row, block of its classes from c on, and right class t: body(row, t, c, n, against), where against(i,
// lanes) are the margin + x_(c+i) - x_t of a vector of classes, -infinity where a class is right. start(row) goes
// first.
template <class T, class Start, class Body>
void for_right_classes(const MarginLoss& a, const Start& start, const Body& body) {
  constexpr int64_t kClasses = 1024;
  const int64_t C = a.classes, grain = 1 + (int64_t{1} << 14) / C;
  parallel_for(a.rows, grain, [&](int64_t begin, int64_t end) {
    T wrong[kClasses];
    for (int64_t row = begin; row < end; ++row) {
      const T* x = static_cast<const T*>(a.x) + row * C;
      const int64_t* right = a.target + row * a.listed;
      int64_t count = 0;
      while (count < a.listed && right[count] >= 0) ++count;
      start(row);
      for (int64_t c = 0; c < C; c += kClasses) {
        const int64_t n = min(kClasses, C - c);
        for (int64_t i = 0; i < n; ++i) wrong[i] = x[c + i];
        for (int64_t j = 0; j < count; ++j)
          if (right[j] >= c && right[j] < c + n) wrong[right[j] - c] = lowest<T>;
        for (int64_t j = 0; j < count; ++j) {
          const vec<T> above(static_cast<T>(a.margin) - x[right[j]]);
          body(row, right[j], c, n,
               [&](int64_t i, int64_t lanes) { return above + vec<T>::load(wrong + i, lanes, lowest<T>); });
        }
      }
    }
  });
}

// w_t / C
template <class T>
DLCORE_INLINE double share(const MarginLoss& a, int64_t t) {
  return (a.weight ? static_cast<double>(static_cast<const T*>(a.weight)[t]) : 1) / static_cast<double>(a.classes);
}

template <class T, int P>
void forward(const MarginLoss& a) {
  T* loss = static_cast<T*>(a.out);
  for_right_classes<T>(
      a, [&](int64_t row) { loss[row] = 0; },
      [&](int64_t row, int64_t t, int64_t, int64_t n, const auto& against) {
        const double sum =
            sum_vectors<T>(n, [&](int64_t i, int64_t lanes) { return Hinge<P>::value(against(i, lanes)); });
        loss[row] += static_cast<T>(share<T>(a, t) * sum);
      });
}

template <class T, int P>
void backward(const MarginLoss& a) {
  const int64_t C = a.classes;
  T* dx = static_cast<T*>(a.out);
  for_right_classes<T>(
      a,
      [&](int64_t row) {
        for (int64_t c = 0; c < C; ++c) dx[row * C + c] = 0;
      },
      [&](int64_t row, int64_t t, int64_t c, int64_t n, const auto& against) {
        const double g = share<T>(a, t) * static_cast<double>(static_cast<const T*>(a.dy)[row]);
        const vec<T> scale(static_cast<T>(g));
        T* to = dx + row * C;
        const double sum = sum_vectors<T>(n, [&](int64_t i, int64_t lanes) {
          const vec<T> slope = Hinge<P>::slope(against(i, lanes));
          fma(scale, slope, vec<T>::load(to + c + i, lanes)).store(to + c + i, lanes);
          return slope;
        });
        to[t] -= static_cast<T>(g * sum);
      });
}

// run(type, hinge)
template <class F>
void with_types(const MarginLoss& a, const F& run) {
  if (a.dtype == DType::Float64)
    a.p == 2 ? run(double(), Hinge<2>()) : run(double(), Hinge<1>());
  else
    a.p == 2 ? run(float(), Hinge<2>()) : run(float(), Hinge<1>());
}
template <int P>
constexpr int power(Hinge<P>) {
  return P;
}

void margin_loss(const MarginLoss& a) {
  with_types(a, [&](auto type, auto hinge) { forward<decltype(type), power(decltype(hinge)())>(a); });
}
void margin_loss_backward(const MarginLoss& a) {
  with_types(a, [&](auto type, auto hinge) { backward<decltype(type), power(decltype(hinge)())>(a); });
}

}  // namespace

void fill_margin_loss(KernelTable& t) {
  t.margin_loss = margin_loss;
  t.margin_loss_backward = margin_loss_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
