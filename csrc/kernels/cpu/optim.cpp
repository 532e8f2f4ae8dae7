// Optimizer steps (kernels/optim.h). The loops are the formulas; the compiler makes vectors of them.
#include "kernels/optim.h"

#include "core/half.h"
#include "core/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE float root(float x) { return __builtin_sqrtf(x); }
DLCORE_INLINE double root(double x) { return __builtin_sqrt(x); }

template <class T, bool kMomentum, bool kFirst, bool kNesterov, bool kDecay>
void sgd_run(const Sgd& s, int64_t n, T* __restrict p, const T* __restrict dp, T* __restrict b) {
  const T lr = static_cast<T>(s.lr), momentum = static_cast<T>(s.momentum), decay = static_cast<T>(s.weight_decay);
  const T fresh = static_cast<T>(1 - s.dampening), sign = s.maximize ? T(-1) : T(1);
  for (int64_t i = 0; i < n; ++i) {
    T g = sign * dp[i];
    if (kDecay) g = g + decay * p[i];
    T d = g;
    if (kMomentum) {
      b[i] = kFirst ? g : momentum * b[i] + fresh * g;
      d = kNesterov ? g + momentum * b[i] : b[i];
    }
    p[i] = p[i] - lr * d;
  }
}

// g = dp + weight_decay p unless the decay is decoupled or zero, where 0 * p must not make a NaN of an infinite p.
template <class T, bool kAmsgrad, bool kAddDecay>
void adam_run(const Adam& a, const AdamPiece& piece, int64_t n, T* __restrict p, const T* __restrict dp,
              T* __restrict m, T* __restrict v, T* __restrict v_max) {
  const T keep = static_cast<T>(a.decoupled ? 1 - a.lr * a.weight_decay : 1), decay = static_cast<T>(a.weight_decay);
  const T fresh1 = static_cast<T>(1 - a.beta1), beta2 = static_cast<T>(a.beta2), fresh2 = static_cast<T>(1 - a.beta2);
  const T step = static_cast<T>(piece.step_size), scale = static_cast<T>(piece.v_scale), eps = static_cast<T>(a.eps);
  const T sign = a.maximize ? T(-1) : T(1);
  for (int64_t i = 0; i < n; ++i) {
    T g = sign * dp[i];
    const T x = keep * p[i];
    if (kAddDecay) g = g + decay * x;
    m[i] = m[i] + fresh1 * (g - m[i]);
    v[i] = beta2 * v[i] + fresh2 * g * g;
    T largest = v[i];
    if (kAmsgrad) {
      largest = v_max[i] > v[i] ? v_max[i] : v[i];
      v_max[i] = largest;
    }
    p[i] = x - step * m[i] / (root(largest) * scale + eps);
  }
}

template <bool B>
struct flag {
  static constexpr bool value = B;
};
// f(flag) with a run-time flag made a compile-time one.
template <class F>
DLCORE_INLINE void choose(bool on, const F& f) {
  on ? f(flag<true>{}) : f(flag<false>{});
}

// The arrays of a piece; the second one, the gradient, is only read.
constexpr int kArrays = 5;
struct Arrays {
  void* x[kArrays];
};
DLCORE_INLINE Arrays arrays(const SgdPiece& s) { return {s.p, const_cast<void*>(s.dp), s.momentum}; }
DLCORE_INLINE Arrays arrays(const AdamPiece& s) { return {s.p, const_cast<void*>(s.dp), s.m, s.v, s.v_max}; }

template <class T>
void run(const Sgd& s, const SgdPiece&, int64_t n, T* const* x) {
  if (s.momentum == 0)
    return choose(s.weight_decay != 0,
                  [&](auto decay) { sgd_run<T, false, false, false, decay.value>(s, n, x[0], x[1], x[2]); });
  choose(s.first_step, [&](auto first) {
    choose(s.nesterov, [&](auto nesterov) {
      choose(s.weight_decay != 0,
             [&](auto decay) { sgd_run<T, true, first.value, nesterov.value, decay.value>(s, n, x[0], x[1], x[2]); });
    });
  });
}

template <class T>
void run(const Adam& a, const AdamPiece& piece, int64_t n, T* const* x) {
  choose(a.amsgrad, [&](auto amsgrad) {
    choose(!a.decoupled && a.weight_decay != 0,
           [&](auto decay) { adam_run<T, amsgrad.value, decay.value>(a, piece, n, x[0], x[1], x[2], x[3], x[4]); });
  });
}

template <class T, class Step, class Piece>
void native_piece(const Step& s, const Piece& piece) {
  const Arrays a = arrays(piece);
  T* x[kArrays];
  for (int j = 0; j < kArrays; ++j) x[j] = static_cast<T*>(a.x[j]);
  run(s, piece, piece.n, x);
}

// bfloat16 and float16 are computed in float32, a block at a time.
template <class Step, class Piece>
void half_piece(const Step& s, const Piece& piece, float (*widen)(uint16_t), uint16_t (*narrow)(float)) {
  constexpr int64_t kBlock = 256;
  const Arrays a = arrays(piece);
  float buffer[kArrays][kBlock];
  float* x[kArrays];
  for (int64_t i = 0; i < piece.n; i += kBlock) {
    const int64_t n = piece.n - i < kBlock ? piece.n - i : kBlock;
    for (int j = 0; j < kArrays; ++j) {
      x[j] = a.x[j] ? buffer[j] : nullptr;
      for (int64_t l = 0; l < n && x[j]; ++l) x[j][l] = widen(static_cast<uint16_t*>(a.x[j])[i + l]);
    }
    run(s, piece, n, x);
    for (int j = 0; j < kArrays; ++j)
      for (int64_t l = 0; l < n && x[j] && j != 1; ++l) static_cast<uint16_t*>(a.x[j])[i + l] = narrow(x[j][l]);
  }
}

template <class Step>
void step(const Step& s) {
  parallel_for(s.num_chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = s.chunks[begin]; i < s.chunks[end]; ++i) {
      const auto& piece = s.pieces[i];
      switch (s.dtype) {
        case DType::Float64:
          native_piece<double>(s, piece);
          break;
        case DType::BFloat16:
          half_piece(s, piece, bf16_to_float, float_to_bf16);
          break;
        case DType::Float16:
          half_piece(s, piece, fp16_to_float, float_to_fp16);
          break;
        default:
          native_piece<float>(s, piece);
          break;
      }
    }
  });
}

void sgd_step(const Sgd& s) { step(s); }
void adam_step(const Adam& s) { step(s); }

}  // namespace

void fill_optim(KernelTable& t) {
  t.sgd_step = sgd_step;
  t.adam_step = adam_step;
}

}  // namespace dlcore::kernel::DLCORE_TIER
