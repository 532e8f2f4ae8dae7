// Convolution and its gradients (kernels/conv.h). In the form of window.h none of them needs an im2col buffer: with
// rows of wq elements, p = i wq + j and off(u, v) the place of a tap,
//
//   forward          y[k, p]  = b[k] + sum_{u, v} sum_c  w[k, c, u, v] x[c, p + off(u, v)]
//   backward_data    dx[c, p] =        sum_{u, v} sum_k  w[k, c, u, v] dy[k, p - off(u, v)]     one phase of dx at a
//   time backward_weight  dw[k, c, u, v] =  sum_p dy[k, p] x[c, p + off(u, v)]
//
// are sums of products of matrices, read in place out of a block of an image that lies, padded and cut into phases, in
// scratch that stays in cache. What they give between the rows, at j >= ow, is dropped.
#include "kernels/conv.h"

#include "core/parallel.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/conv_channels.h"
#include "kernels/cpu/conv_depthwise.h"
#include "kernels/cpu/conv_direct.h"
#include "kernels/cpu/conv_few.h"
#include "kernels/cpu/conv_product.h"
#include "kernels/cpu/conv_winograd.h"
#include "kernels/cpu/gemm.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kChunks = 16;      // units of parallel work at most, each with scratch of its own
constexpr double kChunkFlops = 5e5;  // below this a chunk isn't worth a thread's attention
// Up to so many channels the direct loops beat the matrix engine, which packs what it multiplies (measured).
constexpr int64_t kDirectChannels = 64, kDirectWeightChannels = 16;

// How many rows a block has: about `wanted`, but not fewer than make the rows shared with its neighbour a small part,
// and so that there is work for every chunk.
int64_t choose_block(int64_t rows, int64_t wanted, int64_t shared, int64_t others, double flops) {
  int64_t blocks = ceil_div(rows, least(rows, most(most(wanted, 2 * shared), 2)));
  while (others * blocks < kChunks / 2 && flops > 2 * kChunkFlops * static_cast<double>(others * blocks) &&
         rows > 2 * blocks * most(shared, 1))
    blocks *= 2;
  return ceil_div(rows, blocks);
}

// Channels stay off a common place in the cache's sets.
template <class T>
int64_t padded_plane(int64_t elements) {
  constexpr int64_t line = 64 / sizeof(T);
  return ceil_div(elements, line) * line + (ceil_div(elements, line) % 2 ? 0 : line);
}

// ---- forward and backward_data: filters over a source image give the phases of a target image

template <class T>
class Correlation {
 public:
  // Settles the cut of the work and the places of everything in the workspace; null to learn its size.
  Correlation(const Conv2d& g, bool backward, void* workspace)
      : g_(g),
        backward_(backward),
        images_(g.n),
        m_((backward ? g.c : g.oc) / g.groups),
        channels_((backward ? g.oc : g.c) / g.groups),
        window_h_(g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h),
        window_w_(g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w),
        source_h_(backward ? plain_axis(g.oh, window_h_.max_shift()) : window_h_),
        source_w_(backward ? plain_axis(g.ow, window_w_.max_shift()) : window_w_),
        target_h_(backward ? window_h_ : plain_axis(g.oh)),
        target_w_(backward ? window_w_ : plain_axis(g.ow)),
        filters_(target_h_.phases() * target_w_.phases()),
        arena_{static_cast<char*>(workspace)} {
    if (empty()) return;
    wq_ = g.ow + window_w_.max_shift();
    row_width_ = backward ? wq_ : g.ow;
    q_begin_ = target_h_.pad / target_h_.stride;
    rows_ = (target_h_.in - 1 + target_h_.pad) / target_h_.stride + 1 - q_begin_;

    constexpr int64_t item = sizeof(T);
    const int64_t taps = g.kh * g.kw, shared = window_h_.max_shift(), others = images_ * g.groups;
    const int64_t depth = most(1, channels_ * ceil_div(taps, filters_));
    by_engine_ = channels_ > kDirectChannels && m_ >= 4;
    const int64_t row_bytes = (channels_ * source_h_.phases() * source_w_.phases() + m_ * filters_) * wq_ * item;
    const int64_t wanted = by_engine_ ? most(64, (384 << 10) / (depth * item)) / wq_ + 1 : (96 << 10) / row_bytes;
    const double flops = 2.0 * static_cast<double>(m_ * channels_ * taps) * static_cast<double>(g.oh * wq_);
    block_ = choose_block(rows_, wanted, shared, others, flops * static_cast<double>(others));
    blocks_ = ceil_div(rows_, block_);
    hq_ = block_ + shared;
    plane_ = padded_plane<T>(source_h_.phases() * source_w_.phases() * hq_ * wq_ + source_w_.pad);
    out_plane_ = padded_plane<T>(block_ * wq_);
    items_ = others * blocks_;
    const double item_flops = flops / static_cast<double>(blocks_);
    grain_ = most(ceil_div(items_, kChunks), static_cast<int64_t>(kChunkFlops / (item_flops + 1)));

    offsets_ = arena_.take<int64_t>(taps);
    weights_ = arena_.take<int64_t>(taps);
    if (workspace && backward) place_outputs(window_h_, window_w_, wq_, offsets_, weights_);
    if (workspace && !backward) place_taps(window_h_, window_w_, hq_, wq_, offsets_);
    for (int64_t i = 0; i < taps && workspace && !backward; ++i) weights_[i] = i;
    int64_t packed = 0;
    each_filter([&](const Filter& f) { packed = f.packed + g.groups * f.packed_size; });
    packed_ = arena_.take<T>(packed);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes_ = one.used;
    slots_ = arena_.take<char>(slot_bytes_ * ceil_div(items_, grain_));
  }

  int64_t bytes() const { return arena_.used; }

  void run(const T* source, const T* weights, const T* bias, T* target) {
    if (empty()) return;
    pack(weights);
    parallel_for(items_, grain_, [&](int64_t begin, int64_t end) {
      Arena arena{slots_ + begin / grain_ * slot_bytes_};
      const Slot slot = take_slot(arena);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t plane = i / blocks_, group = plane % g_.groups;
        const int64_t q = i % blocks_ * block_, rows = least(block_, rows_ - q);
        load_block(source_h_, source_w_, source + plane * channels_ * source_h_.in * source_w_.in, channels_,
                   q_begin_ + q, hq_, wq_, T(0), slot.block, plane_);
        each_filter([&](const Filter& f) { apply(f, group, bias ? bias + group * m_ : nullptr, rows, slot); });
        store_block(target_h_, target_w_, slot.out, out_plane_, m_ * out_plane_, m_, q_begin_ + q, rows, wq_,
                    target + plane * m_ * target_h_.in * target_w_.in);
      }
    });
  }

 private:
  // The weights that make one phase of the target.
  struct Filter {
    int64_t index, first_tap, taps;
    int64_t packed, packed_size;  // place of the packed weights of group 0, and of one group's
  };
  // One chunk's scratch: a block of the source, and (filters, m, out_plane) of the target.
  struct Slot {
    T* block;
    T* out;
    void* workspace;
  };

  bool empty() const { return images_ * m_ * target_h_.in * target_w_.in == 0; }
  int64_t positions(int64_t rows) const { return (rows - 1) * wq_ + row_width_; }

  template <class F>
  void each_filter(const F& use) const {
    Filter f{0, 0, 0, 0, 0};
    for (int64_t y = 0; y < target_h_.phases(); ++y) {
      for (int64_t x = 0; x < target_w_.phases(); ++x, ++f.index) {
        f.first_tap += f.taps;
        f.packed += g_.groups * f.packed_size;
        f.taps = backward_ ? window_h_.taps_of(y) * window_w_.taps_of(x) : g_.kh * g_.kw;
        f.packed_size =
            by_engine_ ? gemm_packed_a_size(product(f, 1)) / static_cast<int64_t>(sizeof(T)) : m_ * channels_ * f.taps;
        use(f);
      }
    }
  }

  Slot take_slot(Arena& arena) const {
    const int64_t last = rows_ - (blocks_ - 1) * block_;
    int64_t workspace = 0;
    const auto needed = [&](const Filter& f, int64_t rows) {
      Gemm p = product(f, positions(rows));
      p.a_packed = true;  // as `apply` has it: the engine's plan depends on it
      return gemm_workspace({p});
    };
    each_filter([&](const Filter& f) {
      if (by_engine_) workspace = most(workspace, most(needed(f, block_), needed(f, last)));
    });
    Slot s;
    s.block = arena.take<T>(channels_ * plane_ + kLanes<T>);
    s.out = arena.take<T>(filters_ * m_ * out_plane_);
    s.workspace = arena.take<char>(workspace);
    return s;
  }

  // Weights of the target's channel i and the source's channel p for tap r: w[i w_m + p w_c + weights_[r]].
  int64_t w_m() const { return backward_ ? g_.kh * g_.kw : channels_ * g_.kh * g_.kw; }
  int64_t w_c() const { return backward_ ? m_ * g_.kh * g_.kw : g_.kh * g_.kw; }

  // The product of one filter over n positions, but for its pointers.
  Gemm product(const Filter& f, int64_t n) const {
    Gemm p{};
    p.dtype = g_.dtype;
    p.m = m_, p.n = n, p.k = channels_;
    p.a_row = w_m(), p.a_col = w_c();
    p.b_row = plane_, p.b_col = 1;
    p.c_row = out_plane_, p.c_col = 1;
    p.reduce = f.taps;
    if (weights_) p.a_offsets = weights_ + f.first_tap, p.b_offsets = offsets_ + f.first_tap;
    return p;
  }

  void pack(const T* weights) {
    each_filter([&](const Filter& f) {
      for (int64_t group = 0; group < g_.groups; ++group) {
        const T* w = weights + group * m_ * channels_ * g_.kh * g_.kw;
        T* to = packed_ + f.packed + group * f.packed_size;
        if (by_engine_) {
          Gemm p = product(f, 1);
          p.a = w;
          gemm_pack_a(p, to);
        } else {
          const int64_t blocks = ceil_div(m_, kDirectRows);
          for (int64_t b = 0; b < blocks; ++b)
            for (int64_t c = 0; c < channels_; ++c)
              for (int64_t r = 0; r < f.taps; ++r)
                for (int64_t i = m_ * b / blocks; i < m_ * (b + 1) / blocks; ++i)
                  *to++ = w[i * w_m() + c * w_c() + weights_[f.first_tap + r]];
        }
      }
    });
  }

  // out[i, p] = bias[i] + sum over taps and channels, for `rows` rows of positions.
  void apply(const Filter& f, int64_t group, const T* bias, int64_t rows, const Slot& slot) const {
    const T* w = packed_ + f.packed + group * f.packed_size;
    T* out = slot.out + f.index * m_ * out_plane_;
    const int64_t n = positions(rows);
    const Activation act = backward_ ? Activation::None : g_.activation;
    if (by_engine_) {
      Gemm p = product(f, n);
      p.a = w, p.a_packed = true;
      p.b = slot.block;
      p.c = out;
      p.bias = bias, p.bias_per_row = true;
      p.activation = act;
      return gemm({p}, slot.workspace);
    }
    const int64_t blocks = ceil_div(m_, kDirectRows);
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t i = m_ * b / blocks;
      direct_rows<T>({slot.block, plane_, channels_, f.taps, offsets_ + f.first_tap, w + i * channels_ * f.taps,
                      bias ? bias + i : nullptr, out + i * out_plane_, out_plane_, n, act},
                     m_ * (b + 1) / blocks - i);
    }
  }

  const Conv2d& g_;
  bool backward_, by_engine_ = false;
  int64_t images_, m_, channels_;  // channels of the target and of the source, in one group
  Axis window_h_, window_w_, source_h_, source_w_, target_h_, target_w_;
  int64_t filters_;
  int64_t q_begin_ = 0, rows_ = 0, block_ = 1, blocks_ = 0;  // rows of the target's phases, cut into blocks
  int64_t wq_ = 0, row_width_ = 0, hq_ = 0, plane_ = 0, out_plane_ = 0;
  int64_t items_ = 0, grain_ = 1;
  int64_t* offsets_ = nullptr;  // (taps) of the taps in the source block, filter by filter
  int64_t* weights_ = nullptr;  // (taps) of their weights in a channel's
  T* packed_ = nullptr;
  char* slots_ = nullptr;
  int64_t slot_bytes_ = 0;
  Arena arena_;
};

// ---- backward_weight and the gradient of the bias

template <class T>
class WeightGradient {
 public:
  WeightGradient(const Conv2d& g, void* workspace)
      : g_(g),
        m_(g.oc / g.groups),
        channels_(g.c / g.groups),
        taps_(g.kh * g.kw),
        h_(g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h),
        w_(g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w),
        wq_(g.ow + w_.max_shift()),
        by_engine_(channels_ > kDirectWeightChannels && m_ >= 8),
        arena_{static_cast<char*>(workspace)} {
    constexpr int64_t item = sizeof(T);
    const int64_t phases = h_.phases() * w_.phases();
    const int64_t budget = (by_engine_ ? 384 : 128) << 10, row_bytes = (channels_ * phases + m_) * wq_ * item;
    const double flops = 2.0 * static_cast<double>(g.n * g.oc * channels_ * taps_) * static_cast<double>(g.oh * wq_);
    block_ = choose_block(g.oh, budget / row_bytes, h_.max_shift(), g.n, flops);
    blocks_ = ceil_div(g.oh, block_);
    hq_ = block_ + h_.max_shift();
    x_plane_ = padded_plane<T>(phases * hq_ * wq_);
    dy_plane_ = ceil_div(block_ * wq_, kLanes<T>) * kLanes<T>;
    // Several images at once, where they are small, make long sums.
    const int64_t image_bytes = (channels_ * x_plane_ + m_ * dy_plane_) * item;
    together_ = blocks_ > 1 ? 1 : most(1, least(ceil_div(g.n, kChunks), budget / image_bytes));
    items_ = ceil_div(g.n, together_) * blocks_;
    partial_ = g.oc * channels_ * taps_ + g.oc;
    int64_t chunks = least(least(items_, kChunks), (int64_t{16} << 20) / (partial_ * item));
    chunks = least(chunks, static_cast<int64_t>(flops / kChunkFlops));
    grain_ = most(1, ceil_div(items_, chunks < 4 ? 1 : chunks));
    chunks_ = ceil_div(items_, grain_);

    offsets_ = arena_.take<int64_t>(taps_);
    if (workspace) place_taps(h_, w_, hq_, wq_, offsets_);
    partials_ = arena_.take<T>(chunks_ * partial_);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes_ = one.used;
    slots_ = arena_.take<char>(slot_bytes_ * chunks_);
  }

  int64_t bytes() const { return arena_.used; }

  // Each chunk sums its own part of the images; the parts are added in order. db may be null.
  void backward_weight(const T* x, const T* dy, T* dw, T* db) {
    parallel_for(items_, grain_, [&](int64_t begin, int64_t end) {
      const int64_t chunk = begin / grain_;
      Arena arena{slots_ + chunk * slot_bytes_};
      const Slot slot = take_slot(arena);
      T* partial = partials_ + chunk * partial_;
      fill(partial, partial_, T(0));
      fill(slot.x + together_ * channels_ * x_plane_, slack(), T(0));
      for (int64_t i = begin; i < end; ++i) add_item(i, x, dy, slot, partial);
    });
    combine(dw, db);
  }

 private:
  struct Slot {
    T* x;   // (together, channels, x_plane)
    T* dy;  // (together, m, dy_plane)
    T* packed;
    void* workspace;
  };

  // What loops read beyond the last plane, to multiply it by a dy of 0.
  int64_t slack() const { return kLanes<T> + w_.max_shift(); }

  // dw_tap += sum over images and positions of dy x^T, but for its pointers.
  Gemm product(int64_t images) const {
    Gemm p{};
    p.dtype = g_.dtype;
    p.m = m_, p.n = channels_, p.k = block_ * wq_;
    p.a_row = dy_plane_, p.a_col = 1, p.a_step = m_ * dy_plane_;
    p.b_row = 1, p.b_col = x_plane_, p.b_step = channels_ * x_plane_;
    p.c_row = channels_, p.c_col = 1;
    p.reduce = images;
    p.beta = 1;
    return p;
  }

  Slot take_slot(Arena& arena) const {
    const int64_t last = g_.n - (ceil_div(g_.n, together_) - 1) * together_;
    Slot s{};
    s.x = arena.take<T>(together_ * channels_ * x_plane_ + slack());
    s.dy = arena.take<T>(together_ * m_ * dy_plane_);
    if (by_engine_) {
      const Gemm p = product(together_), q = product(last);
      s.packed = reinterpret_cast<T*>(arena.take<char>(most(gemm_packed_a_size(p), gemm_packed_a_size(q))));
      s.workspace = arena.take<char>(most(gemm_workspace({p}), gemm_workspace({q})));
    }
    return s;
  }

  void add_item(int64_t i, const T* x, const T* dy, const Slot& slot, T* partial) const {
    const int64_t first = i / blocks_ * together_, images = least(together_, g_.n - first), q = i % blocks_ * block_;
    const Axis dy_h = plain_axis(g_.oh), dy_w = plain_axis(g_.ow);
    for (int64_t group = 0; group < g_.groups; ++group) {
      for (int64_t l = 0; l < images; ++l) {
        const int64_t part = (first + l) * g_.groups + group;
        load_block(h_, w_, x + part * channels_ * g_.h * g_.w, channels_, q, hq_, wq_, T(0),
                   slot.x + l * channels_ * x_plane_, x_plane_);
        load_block(dy_h, dy_w, dy + part * m_ * g_.oh * g_.ow, m_, q, block_, wq_, T(0), slot.dy + l * m_ * dy_plane_,
                   dy_plane_);
        for (int64_t k = 0; k < m_; ++k)
          partial[partial_ - g_.oc + group * m_ + k] += sum(slot.dy + (l * m_ + k) * dy_plane_, dy_plane_);
      }
      T* dw = partial + group * m_ * channels_ * taps_;
      by_engine_ ? add_by_engine(images, slot, dw) : add_directly(images, slot, dw);
    }
  }

  void add_by_engine(int64_t images, const Slot& slot, T* dw) const {
    Gemm p = product(images);
    p.a = slot.dy;
    gemm_pack_a(p, slot.packed);
    p.a = slot.packed, p.a_packed = true;
    for (int64_t r = 0; r < taps_; ++r) {
      p.b = slot.x + offsets_[r];
      p.c = dw + r * m_ * channels_;
      gemm({p}, slot.workspace);
    }
  }

  void add_directly(int64_t images, const Slot& slot, T* dw) const {
    const int64_t row_blocks = ceil_div(m_, kWeightRows), tap_blocks = ceil_div(taps_, kWeightTaps);
    for (int64_t c = 0; c < channels_; ++c)
      for (int64_t b = 0; b < row_blocks; ++b)
        for (int64_t t = 0; t < tap_blocks; ++t) {
          const int64_t k = m_ * b / row_blocks, r = taps_ * t / tap_blocks;
          direct_weights<T>(
              {slot.x + c * x_plane_, slot.dy + k * dy_plane_, images, channels_ * x_plane_, m_ * dy_plane_, dy_plane_,
               dy_plane_, offsets_ + r, dw + (k * channels_ + c) * taps_ + r, channels_ * taps_},
              m_ * (b + 1) / row_blocks - k, taps_ * (t + 1) / tap_blocks - r);
        }
  }

  static T sum(const T* x, int64_t n) {
    using V = vec<T>;
    V s[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
    int64_t i = 0;
    for (; i + 3 * V::size < n; i += 4 * V::size)
      for (int u = 0; u < 4; ++u) s[u] += V::load(x + i + u * V::size);
    for (; i < n; i += V::size) s[0] += V::load(x + i);
    return total((s[0] + s[1]) + (s[2] + s[3]));
  }

  // The engine has left (groups, taps, m, channels), the direct loop (groups, m, channels, taps).
  void combine(T* dw, T* db) const {
    const int64_t c_step = by_engine_ ? 1 : taps_, tap_step = by_engine_ ? m_ * channels_ : 1;
    const int64_t row_step = by_engine_ ? channels_ : channels_ * taps_;
    parallel_for(g_.oc, most(1, (1 << 14) / (channels_ * taps_ * chunks_ + 1)), [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const T* row = partials_ + k / m_ * m_ * channels_ * taps_ + k % m_ * row_step;
        for (int64_t c = 0; c < channels_; ++c)
          for (int64_t r = 0; r < taps_; ++r)
            dw[(k * channels_ + c) * taps_ + r] = over_chunks(row + c * c_step + r * tap_step);
        if (db) db[k] = over_chunks(partials_ + partial_ - g_.oc + k);
      }
    });
  }
  DLCORE_INLINE T over_chunks(const T* x) const {
    T s = 0;
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) s += x[chunk * partial_];
    return s;
  }

  const Conv2d& g_;
  int64_t m_, channels_, taps_;
  Axis h_, w_;
  int64_t wq_;
  bool by_engine_;
  int64_t block_, blocks_, hq_, x_plane_, dy_plane_, together_, items_, grain_, chunks_, partial_;
  int64_t* offsets_;
  T* partials_;
  char* slots_;
  int64_t slot_bytes_;
  Arena arena_;
};

// Calls f(T) for the dtype's T.
template <class F>
DLCORE_INLINE auto typed(DType dtype, const F& f) {
  return dtype == DType::Float64 ? f(double{}) : f(float{});
}

// Calls use(kernel) with the one that runs g forward or backward by data, in this workspace or, where that is null, to
// learn its size.
template <class T, class F>
auto with_correlation(const Conv2d& g, bool backward, void* workspace, const F& use) {
  switch (conv2d_path(g)) {
    case ConvPath::Winograd:
      if constexpr (sizeof(T) == 4) {
        if (g.winograd == F2::kOut) return use(Winograd<F2>(g, backward, workspace));
        return use(Winograd<F4>(g, backward, workspace));
      }
      break;
    case ConvPath::Depthwise:
      return use(Depthwise<T>(g, backward, workspace));
    case ConvPath::ChannelsLast:
      if (backward && conv2d_few_channels(g)) return use(FewChannels<T>(g, workspace));
      return use(ChannelsConv<T>(g, backward, workspace));
    case ConvPath::Product:
      return use(ConvProduct<T>(g, backward ? ConvPass::BackwardData : ConvPass::Forward, workspace));
    case ConvPath::Blocks:
      break;
  }
  return use(Correlation<T>(g, backward, workspace));
}

// The same backward by weight.
template <class T, class F>
auto with_gradient(const Conv2d& g, void* workspace, const F& use) {
  switch (conv2d_path(g)) {
    case ConvPath::Winograd:
      if constexpr (sizeof(T) == 4) {
        if (g.winograd == F2::kOut) return use(WinogradGradient<F2>(g, workspace));
        return use(WinogradGradient<F4>(g, workspace));
      }
      break;
    case ConvPath::Depthwise:
      return use(DepthwiseGradient<T>(g, workspace));
    case ConvPath::ChannelsLast:
      return use(ChannelsWeightGradient<T>(g, workspace));
    case ConvPath::Product:
      return use(ConvProduct<T>(g, ConvPass::BackwardWeight, workspace));
    case ConvPath::Blocks:
      break;
  }
  return use(WeightGradient<T>(g, workspace));
}

int64_t conv2d_workspace(const Conv2d& g, ConvPass pass) {
  const auto bytes = [](const auto& kernel) { return kernel.bytes(); };
  return typed(g.dtype, [&]<class T>(T) {
    return pass == ConvPass::BackwardWeight ? with_gradient<T>(g, nullptr, bytes)
                                            : with_correlation<T>(g, pass == ConvPass::BackwardData, nullptr, bytes);
  });
}

// Calls use(kernel, T) with the kernel that packs weights for this pass, if it does.
template <class F>
void with_packing(const Conv2d& g, ConvPass pass, const F& use) {
  typed(g.dtype, [&]<class T>(T t) {
    with_correlation<T>(g, pass == ConvPass::BackwardData, nullptr, [&](const auto& kernel) {
      if constexpr (requires { kernel.packed_bytes(); }) use(kernel, t);
    });
  });
}

int64_t conv2d_packed_size(const Conv2d& g, ConvPass pass) {
  int64_t bytes = 0;
  with_packing(g, pass, [&](const auto& kernel, auto) { bytes = kernel.packed_bytes(); });
  return bytes;
}

void conv2d_pack(const Conv2d& g, ConvPass pass, const void* w, void* packed) {
  with_packing(g, pass,
               [&]<class T>(const auto& kernel, T) { kernel.pack(static_cast<const T*>(w), static_cast<T*>(packed)); });
}

void conv2d_forward(const Conv2d& g, const void* x, const void* w, const void* b, void* y, void* workspace) {
  typed(g.dtype, [&]<class T>(T) {
    with_correlation<T>(g, false, workspace, [&](auto&& kernel) {
      kernel.run(static_cast<const T*>(x), static_cast<const T*>(w), static_cast<const T*>(b), static_cast<T*>(y));
    });
  });
}

void conv2d_backward_data(const Conv2d& g, const void* dy, const void* w, void* dx, void* workspace) {
  typed(g.dtype, [&]<class T>(T) {
    with_correlation<T>(g, true, workspace, [&](auto&& kernel) {
      kernel.run(static_cast<const T*>(dy), static_cast<const T*>(w), nullptr, static_cast<T*>(dx));
    });
  });
}

void conv2d_backward_weight(const Conv2d& g, const void* x, const void* dy, void* dw, void* db, void* workspace) {
  typed(g.dtype, [&]<class T>(T) {
    with_gradient<T>(g, workspace, [&](auto&& kernel) {
      kernel.backward_weight(static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dw),
                             static_cast<T*>(db));
    });
  });
}

}  // namespace

void fill_conv(KernelTable& t) {
  t.conv2d_workspace = conv2d_workspace;
  t.conv2d_packed_size = conv2d_packed_size;
  t.conv2d_pack = conv2d_pack;
  t.conv2d_forward = conv2d_forward;
  t.conv2d_backward_data = conv2d_backward_data;
  t.conv2d_backward_weight = conv2d_backward_weight;
}

}  // namespace dlcore::kernel::DLCORE_TIER
