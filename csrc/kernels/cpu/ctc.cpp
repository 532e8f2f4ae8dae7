#include "kernels/ctc.h"

#include "kernels/cpu/exp_sum.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// log(exp a + exp b + exp c): around the largest, the other two add to its 1. NaN stays.
template <class V>
DLCORE_INLINE V log_sum_exp(V a, V b, V c) {
  const auto ab = a > b;
  const V high = select(ab, a, b), low = select(ab, b, a);
  const auto first = high > c;
  const V most = select(first, high, c), middle = select(first, c, high), shift = shift_of(most);
  return log(V(typename V::scalar(1)) + exp(low - shift) + exp(middle - shift)) + most;
}

// One sample: its states l', and rows of numbers of them.
template <class T>
struct Sample {
  const T* x;
  const int64_t* labels;
  int64_t time, steps, length, states, blank;
  T *emitted, *skip, *beta;

  Sample(const Ctc& a, int64_t n)
      : x(static_cast<const T*>(a.x) + n * a.sample),
        labels(a.labels + a.starts[n]),
        time(a.time),
        steps(a.input_lengths[n]),
        length(a.target_lengths[n]),
        states(2 * length + 1),
        blank(a.blank) {
    const int64_t pitch = ctc_pitch(a.states);
    emitted = static_cast<T*>(a.scratch) + 3 * n * pitch;
    skip = emitted + pitch;
    beta = skip + pitch;
    // 0 where s - 2 may be followed by s, else -infinity
    for (int64_t s = 0; s < states + 2; ++s) skip[s] = lowest<T>;
    for (int64_t i = 1; i < length; ++i)
      if (labels[i] != labels[i - 1]) skip[2 * i + 1] = 0;
  }

  // x_t(l'_s)
  DLCORE_INLINE void emit(int64_t t) const {
    const T *row = x + t * time, silent = row[blank];
    for (int64_t i = 0; i < length; ++i) {
      emitted[2 * i] = silent;
      emitted[2 * i + 1] = row[labels[i]];
    }
    emitted[2 * length] = silent;
  }

  // alpha after the step of `emitted`, less `shift`; the largest of the results. From the right: `to` may be `from`.
  DLCORE_INLINE T forward(const T* from, T* to, T shift) const {
    constexpr int64_t L = kLanes<T>;
    vec<T> largest(lowest<T>);
    for (int64_t s = (states - 1) / L * L; s >= 0; s -= L) {
      const int64_t n = min(L, states - s);
      const vec<T> two = vec<T>::load(from + s - 2, n, lowest<T>) + vec<T>::load(skip + s, n, lowest<T>);
      const vec<T> sum =
          log_sum_exp(vec<T>::load(from + s, n, lowest<T>), vec<T>::load(from + s - 1, n, lowest<T>), two);
      const vec<T> alpha = sum + (vec<T>::load(emitted + s, n) - vec<T>(shift));
      alpha.store(to + s, n);
      largest = max(alpha, largest);
    }
    return fold_lanes<LargestNumber>(largest);
  }

  // beta before the step of `emitted`, less `shift`. From the left, in its place.
  DLCORE_INLINE void backward(T shift) const {
    vectors<T>(states, [&](int64_t s, int64_t n) {
      (vec<T>::load(beta + s, n) + (vec<T>::load(emitted + s, n) - vec<T>(shift))).store(beta + s, n);
    });
    vectors<T>(states, [&](int64_t s, int64_t n) {
      const vec<T> two = vec<T>::load(beta + s + 2, n, lowest<T>) + vec<T>::load(skip + s + 2, n, lowest<T>);
      log_sum_exp(vec<T>::load(beta + s, n, lowest<T>), vec<T>::load(beta + s + 1, n, lowest<T>), two)
          .store(beta + s, n);
    });
  }
};

// A sample's row of alphas, after the two that are never reached.
template <class T>
DLCORE_INLINE T* alphas(const Ctc& a, void* alpha, int64_t alpha_steps, int64_t n, int64_t t) {
  return static_cast<T*>(alpha) + (n * alpha_steps + t % alpha_steps) * ctc_pitch(a.states) + 2;
}

template <class Body>
void for_samples(const Ctc& a, const Body& body) {
  const int64_t grain = 1 + (int64_t{1} << 12) / (1 + a.steps * a.states);
  parallel_for(a.samples, grain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) body(n);
  });
}

template <class T>
void forward(const Ctc& a, const CtcForward& f) {
  for_samples(a, [&](int64_t n) {
    const Sample<T> one(a, n);
    T& loss = static_cast<T*>(f.loss)[n];
    if (one.steps == 0) {
      loss = one.length == 0 ? T(0) : -lowest<T>;
      return;
    }
    T* alpha = alphas<T>(a, f.alpha, f.alpha_steps, n, 0);
    one.emit(0);
    for (int64_t s = -2; s < one.states; ++s) alpha[s] = lowest<T>;
    for (int64_t s = 0; s < min(2, one.states); ++s) alpha[s] = one.emitted[s];
    T largest = one.states > 1 && alpha[1] > alpha[0] ? alpha[1] : alpha[0];
    double taken = 0;
    for (int64_t t = 1; t < one.steps; ++t) {
      const T shift = shift_of(largest), *before = alpha;
      alpha = alphas<T>(a, f.alpha, f.alpha_steps, n, t);
      alpha[-2] = alpha[-1] = lowest<T>;
      one.emit(t);
      largest = one.forward(before, alpha, shift);
      taken += static_cast<double>(shift);
    }
    const double last = static_cast<double>(alpha[one.states - 1]);
    const double other = one.states > 1 ? static_cast<double>(alpha[one.states - 2]) : lowest<double>;
    const double most = last > other ? last : other, shift = shift_of(most);
    loss = static_cast<T>(-(taken + shift + __builtin_log(__builtin_exp(last - shift) + __builtin_exp(other - shift))));
  });
}

template <class T>
void backward(const Ctc& a, const CtcBackward& b) {
  for_samples(a, [&](int64_t n) {
    const Sample<T> one(a, n);
    T* const dx = static_cast<T*>(b.dx) + n * b.dx_sample;
    const T dy = static_cast<const T*>(b.dy)[n];
    const bool impossible = static_cast<const T*>(b.loss)[n] == -lowest<T>;
    const int64_t used = impossible ? 0 : one.steps;
    for (int64_t t = used; t < a.steps; ++t) {
      const T rest = t < one.steps && !b.zero_infinity ? static_cast<T>(__builtin_nan("")) : T(0);
      for (int64_t c = 0; c < a.classes; ++c) dx[t * b.dx_time + c] = rest;
    }

    T *beta = one.beta, *p = one.emitted;
    for (int64_t s = 0; s < one.states + 2; ++s) beta[s] = lowest<T>;
    beta[one.states - 1] = 0;
    if (one.states > 1) beta[one.states - 2] = 0;
    for (int64_t t = used - 1; t >= 0; --t) {
      // p_t(s), but for a factor
      const T* alpha = alphas<T>(a, const_cast<void*>(b.alpha), a.steps, n, t);
      vectors<T>(one.states, [&](int64_t s, int64_t lanes) {
        (vec<T>::load(alpha + s, lanes) + vec<T>::load(beta + s, lanes)).store(p + s, lanes);
      });
      const T largest = fold_run<LargestNumber>(p, one.states);
      const double sum = sum_exp<T>(p, shift_of(largest), one.states, p);

      const T *x = one.x + t * one.time, k = static_cast<T>(static_cast<double>(dy) / sum);
      T* row = dx + t * b.dx_time;
      vectors<T>(a.classes, [&](int64_t c, int64_t lanes) {
        (vec<T>(dy) * exp(vec<T>::load(x + c, lanes))).store(row + c, lanes);
      });
      for (int64_t i = 0; i < one.length; ++i) row[one.labels[i]] -= k * p[2 * i + 1];
      T silent = 0;
      for (int64_t i = 0; i <= one.length; ++i) silent += p[2 * i];
      row[one.blank] -= k * silent;

      if (t == 0) break;
      one.emit(t);
      one.backward(shift_of(largest));
    }
  });
}

void ctc_loss(const Ctc& a, const CtcForward& f) {
  a.dtype == DType::Float64 ? forward<double>(a, f) : forward<float>(a, f);
}
void ctc_loss_backward(const Ctc& a, const CtcBackward& b) {
  a.dtype == DType::Float64 ? backward<double>(a, b) : backward<float>(a, b);
}

}  // namespace

void fill_ctc(KernelTable& t) {
  t.ctc_loss = ctc_loss;
  t.ctc_loss_backward = ctc_loss_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
