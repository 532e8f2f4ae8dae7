// Recurrent layers (kernels/rnn.h): forward, then backward. Both run in three parts:
//
//   forward    x W_ih^T of many steps as one product, then these steps, and so on
//   backward   the steps, last first, which leave the gradients of all gates; from these dx, dW and db as products
//
// How a step is cut over threads: Grid in rnn_steps.h.
#include "kernels/cpu/rnn_steps.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Of x W_ih^T at a time: it is still in the cache when it is used, and W_ih is read for many rows.
constexpr int64_t kInputBytes = int64_t{1} << 19, kMostInputBytes = int64_t{2} << 20;
constexpr auto kNothing = [](int64_t, int64_t) {};  // fetched ahead

// ---- forward

template <class T, RnnCell C>
struct Forward : Layer<T, C> {
  using Base = Layer<T, C>;
  using Base::arena, Base::bytes_of, Base::f, Base::g, Base::G, Base::grid, Base::hidden, Base::L, Base::numbers,
      Base::out, Base::S;
  using typename Base::K;
  using typename Base::V;

  int64_t gate_row;  // from one row of gates to the next
  Strips<T> w_hh[2], w_hr[2];
  T *gates[2], *full[2], *bias[2];
  char* scratch;
  int64_t first_row[2] = {0, 0};  // the row that gates begin with

  Forward(const Rnn& g, const RnnForward& f, void* workspace) : Base(g, f, workspace) {
    gate_row = K::kKeepsOutput ? this->y_row : g.keep ? S * hidden : G * hidden;
    int64_t most_scratch = 0;
    for (int d = 0; d < g.directions; ++d) {
      // The weights are as rnn_pack wrote them, and only read.
      w_hh[d] = {static_cast<T*>(const_cast<void*>(f.parameters[d].w_hh)), out};
      w_hr[d] = {static_cast<T*>(const_cast<void*>(f.parameters[d].w_hr)), hidden};
      bias[d] = numbers(G * hidden);
      int64_t most_rows = 0;
      for (int64_t s = 0, end; s < g.steps; s = end) {
        end = chunk_end(s);
        int64_t rows = 0;
        for (int64_t i = s; i < end; ++i) rows += this->count(d, i);
        most_rows = most(most_rows, rows);
        most_scratch = most(most_scratch, this->scratch_of(input_product(d, rows)));
      }
      gates[d] = K::kKeepsOutput ? (f.y ? static_cast<T*>(f.y) + d * out : nullptr)
                 : g.keep        ? static_cast<T*>(f.kept[d].gates)
                                 : numbers(most_rows * gate_row);
      full[d] = !g.projection ? nullptr : g.keep ? static_cast<T*>(f.kept[d].full) : numbers(g.batch * hidden);
    }
    scratch = bytes_of(most_scratch);
  }

  // The steps from s on whose x W_ih^T is computed together.
  int64_t chunk_end(int64_t s) const {
    const int64_t row = G * hidden * static_cast<int64_t>(sizeof(T));
    const int64_t rows = most(kInputBytes, least(kMostInputBytes, 2 * row * g.input)) / row;
    return least(g.steps, s + most(1, rows / most(1, g.batch)));
  }

  // gates = x W_ih^T + bias
  Gemm input_product(int d, int64_t rows) const {
    Gemm p = this->product(rows, G * hidden, g.input);
    p.a = f.x, p.a_row = g.input, p.a_col = 1;
    p.b = f.parameters[d].w_ih, p.b_row = 1, p.b_col = g.input, p.b_packed = true;
    p.c = gates[d], p.c_row = gate_row, p.c_col = 1;
    p.bias = f.parameters[d].b_ih ? bias[d] : nullptr;
    return p;
  }

  void operator()() {
    for (int d = 0; d < g.directions; ++d) prepare(d);
    const int phases = g.projection ? 2 : 1;
    for (int64_t s = 0, end; s < g.steps; s = end) {
      end = chunk_end(s);
      for (int d = 0; d < g.directions; ++d) multiply_input(d, s, end);
      grid.run((end - s) * phases, g.batch, [&](int64_t i, int d, int64_t b0, int64_t b1, int64_t member) {
        if constexpr (C == RnnCell::Lstm)
          if (i % phases) return project(d, s + i / phases, b0, b1, member);
        step(d, s + i / phases, b0, b1, member);
      });
    }
    for (int d = 0; d < g.directions && (f.hn || (f.cn && g.keep)); ++d) final_states(d);
  }

  void prepare(int d) {
    const auto& w = f.parameters[d];
    for (int64_t i = 0; i < G * hidden && w.b_ih; ++i)
      bias[d][i] = static_cast<const T*>(w.b_ih)[i] + (K::kBiasInside ? T(0) : static_cast<const T*>(w.b_hh)[i]);
    if (!g.keep && f.cn) {  // the cell state is kept in its final place
      T* to = static_cast<T*>(f.cn) + d * g.batch * hidden;
      const T* from = static_cast<const T*>(f.c0);
      for (int64_t i = 0; i < g.batch * hidden; ++i) to[i] = from ? from[d * g.batch * hidden + i] : T(0);
    }
  }

  void multiply_input(int d, int64_t s, int64_t end) {
    const int64_t row = least(this->row(d, s), this->row(d, end - 1));
    int64_t rows = 0;
    for (int64_t i = s; i < end; ++i) rows += this->count(d, i);
    first_row[d] = K::kKeepsOutput || g.keep ? 0 : row;
    Gemm p = input_product(d, rows);
    p.a = static_cast<const T*>(f.x) + row * g.input;
    p.c = gates[d] + (row - first_row[d]) * gate_row;
    gemm({p}, scratch);
  }

  void step(int d, int64_t s, int64_t b0, int64_t b1, int64_t member) const {
    const int64_t end = least(b1, this->count(d, s)), before = least(end, this->count(d, s - 1));
    if (before > b0) step_rows(d, s, b0, before, member, this->y(d, this->row(d, s - 1)), this->y_row, false);
    if (end > before)
      step_rows(d, s, most(b0, before), end, member, this->state(static_cast<const T*>(f.h0), d, g.batch, out, 0), out,
                true);
  }

  // Rows b0 ... b1 - 1, whose h_{t-1} is h + b * h_row.
  void step_rows(int d, int64_t s, int64_t b0, int64_t b1, int64_t member, const T* h, int64_t h_row,
                 bool first) const {
    const int64_t row = this->row(d, s), panels = panels_of<G>(Strips<T>::strips(hidden));
    const T* b_hh = static_cast<const T*>(f.parameters[d].b_hh);
    const T* c_before = !g.keep ? static_cast<const T*>(this->state(f_cn(), d, g.batch, hidden, 0))
                        : first ? this->state(static_cast<const T*>(f.c0), d, g.batch, hidden, 0)
                                : static_cast<const T*>(f.kept[d].cells) + this->row(d, s - 1) * hidden;
    T* c_after = g.keep ? static_cast<T*>(f.kept[d].cells) + row * hidden : this->state(f_cn(), d, g.batch, hidden, 0);
    multiply<G>(
        w_hh[d], Rows<T>{h, h_row}, hidden, b0, b1, grid.first(member, panels), grid.first(member + 1, panels),
        [&](int64_t b, int64_t unit) __attribute__((always_inline)) {
          const T* at = gates[d] + (row - first_row[d] + b) * gate_row + unit;
          for (int i = 0; i < (g.keep ? S : G); ++i) fetch_to_write(at + i * hidden);
          if (C == RnnCell::Lstm) {
            if (c_before) fetch(c_before + b * hidden + unit);
            fetch_to_write(c_after + b * hidden + unit);
          }
          fetch_to_write(result(d, row, b) + unit);
        },
        [&](int64_t b, int64_t unit, int64_t n, const T* sums) __attribute__((always_inline)) {
          T* at = gates[d] + (row - first_row[d] + b) * gate_row + unit;
          V x_part[G], h_part[G], kept[S];
          for (int i = 0; i < G; ++i) {
            x_part[i] = V::load(at + i * hidden, n);
            h_part[i] = V::load(sums + i * L);
            if (K::kBiasInside && b_hh) h_part[i] += V::load(b_hh + i * hidden + unit, n);
          }
          V state = !K::kState          ? V(T(0))
                    : C == RnnCell::Gru ? this->load(h ? h + b * h_row : nullptr, unit, n)
                                        : this->load(c_before ? c_before + b * hidden : nullptr, unit, n);
          const V y = K::forward(x_part, h_part, state, kept);
          if constexpr (C == RnnCell::Lstm) state.store(c_after + b * hidden + unit, n);
          if (!K::kKeepsOutput && g.keep)
            for (int i = 0; i < S; ++i) kept[i].store(at + i * hidden, n);
          y.store(result(d, row, b) + unit, n);
        });
  }

  T* f_cn() const { return static_cast<T*>(f.cn); }
  T* full_row(int d, int64_t row, int64_t b) const { return full[d] + ((g.keep ? row : 0) + b) * hidden; }

  // Where the cell's result goes.
  DLCORE_INLINE T* result(int d, int64_t row, int64_t b) const {
    return full[d] ? full_row(d, row, b) : this->y(d, row + b);
  }

  // h = W_hr full
  void project(int d, int64_t s, int64_t b0, int64_t b1, int64_t member) const {
    const int64_t row = this->row(d, s), panels = panels_of<1>(Strips<T>::strips(out));
    multiply<1>(
        w_hr[d], Rows<T>{full_row(d, row, 0), hidden}, out, b0, least(b1, this->count(d, s)),
        grid.first(member, panels), grid.first(member + 1, panels), kNothing,
        [&](int64_t b, int64_t unit, int64_t n, const T* sums) { V::load(sums).store(this->y(d, row + b) + unit, n); });
  }

  void final_states(int d) const {
    for (int64_t b = 0, t = g.steps - 1; b < g.batch; ++b) {
      while (g.at(t) <= b) --t;
      const int64_t row = this->offsets[d ? 0 : t] + b;
      if (f.hn)
        __builtin_memcpy(this->state(static_cast<T*>(f.hn), d, g.batch, out, b), this->y(d, row), out * sizeof(T));
      if (f.cn && g.keep)
        __builtin_memcpy(this->state(f_cn(), d, g.batch, hidden, b), static_cast<T*>(f.kept[d].cells) + row * hidden,
                         hidden * sizeof(T));
    }
  }
};

// ---- backward

template <class T, RnnCell C>
struct Backward : Layer<T, C> {
  using Base = Layer<T, C>;
  using Base::arena, Base::bytes_of, Base::f, Base::g, Base::G, Base::grid, Base::hidden, Base::L, Base::numbers,
      Base::out, Base::S;
  using typename Base::K;
  using typename Base::V;
  static constexpr bool kTwoParts = C == RnnCell::Gru;  // the product's gradient is not that of x's part

  const RnnBackward& a;
  Strips<T> w_hh[2], w_hr[2];
  T *dx_part[2], *dh_part[2];  // (total, gates * hidden): gradients of the sums
  T* dh[2];                    // (total, out): of h, where it is a projection
  T *carry[2], *before, *one;  // (batch, hidden); (total, out): h_{t-1}; 1
  char* scratch;

  Backward(const Rnn& g, const RnnBackward& a, void* workspace) : Base(g, a.forward, workspace), a(a) {
    for (int d = 0; d < g.directions; ++d) {
      w_hh[d] = {numbers(Strips<T>::strips(out) * L * G * hidden), G * hidden};
      w_hr[d] = {g.projection ? numbers(Strips<T>::strips(hidden) * L * out) : nullptr, out};
      dx_part[d] = numbers(g.total * G * hidden);
      dh_part[d] = kTwoParts ? numbers(g.total * G * hidden) : dx_part[d];
      dh[d] = g.projection ? numbers(g.total * out) : nullptr;
      carry[d] = numbers(g.batch * hidden);
    }
    before = numbers(g.total * out);
    one = numbers(1);
    int64_t bytes = 0;
    for (const Gemm& p :
         {input_gradient(0), weight_gradient(hidden * G, dx_part[0], g.input, f.x, g.input, nullptr),
          weight_gradient(hidden * G, dh_part[0], out, before, out, nullptr),
          weight_gradient(out, dh[0], hidden, nullptr, hidden, nullptr), bias_gradient(dx_part[0], nullptr)})
      bytes = most(bytes, this->scratch_of(p));
    scratch = bytes_of(bytes);
  }

  // dx (+)= gates' gradient W_ih
  Gemm input_gradient(int d) const {
    Gemm p = this->product(g.total, g.input, G * hidden);
    p.a = dx_part[d], p.a_row = G * hidden, p.a_col = 1;
    p.b = f.parameters[d].w_ih, p.b_row = g.input, p.b_col = 1;
    p.c = a.dx, p.c_row = g.input, p.c_col = 1;
    p.beta = d;
    return p;
  }
  // dw (m, n) = sum over rows of left right^T
  Gemm weight_gradient(int64_t m, const T* left, int64_t n, const void* right, int64_t right_row, void* dw) const {
    Gemm p = this->product(m, n, g.total);
    p.a = left, p.a_row = 1, p.a_col = m;
    p.b = right, p.b_row = right_row, p.b_col = 1;
    p.c = dw, p.c_row = n, p.c_col = 1;
    return p;
  }
  // db = sum over rows
  Gemm bias_gradient(const T* part, void* db) const {
    Gemm p = this->product(1, G * hidden, g.total);
    p.a = one, p.a_row = p.a_col = 0;
    p.b = part, p.b_row = G * hidden, p.b_col = 1;
    p.c = db, p.c_row = G * hidden, p.c_col = 1;
    return p;
  }

  void operator()() {
    *one = T(1);
    for (int d = 0; d < g.directions; ++d) prepare(d);
    const int phases = g.projection ? 2 : 1;
    // After the last (first) step comes one that gives dh0 alone.
    grid.run(g.steps * phases + 1, g.batch, [&](int64_t i, int d, int64_t b0, int64_t b1, int64_t member) {
      const int64_t s = g.steps - 1 - i / phases;
      if constexpr (C == RnnCell::Lstm)
        if (i % phases) return project(d, s, b0, b1, member);
      step(d, s, b0, b1, member);
    });
    for (int d = 0; d < g.directions; ++d) products(d);
  }

  void prepare(int d) {
    const auto& w = f.parameters[d];
    w_hh[d].pack(0, out, static_cast<const T*>(w.w_hh), 1, out);
    if (g.projection) w_hr[d].pack(0, hidden, static_cast<const T*>(w.w_hr), 1, hidden);
    const T* dcn = static_cast<const T*>(a.dcn);
    for (int64_t i = 0; i < g.batch * hidden; ++i) carry[d][i] = dcn ? dcn[d * g.batch * hidden + i] : T(0);
  }

  // Step s, after step s + 1: of the rows b0 ... b1 - 1 some went on to step s + 1, some ended with step s, and some
  // began with step s + 1.
  void step(int d, int64_t s, int64_t b0, int64_t b1, int64_t member) const {
    const int64_t here = this->count(d, s), after = this->count(d, s + 1);
    const int64_t both = most(b0, least(b1, least(here, after)));
    const Rows<T> gates{s + 1 < g.steps ? dh_part[d] + this->row(d, s + 1) * G * hidden : nullptr, G * hidden};
    const int64_t panels = panels_of<1>(Strips<T>::strips(out));
    const int64_t j0 = grid.first(member, panels), j1 = grid.first(member + 1, panels);
    const T* dhn = this->state(static_cast<const T*>(a.dhn), d, g.batch, out, 0);
    const int64_t row = s < 0 ? 0 : this->row(d, s);
    const auto ahead = [&](int64_t b, int64_t unit) __attribute__((always_inline)) {
      if (a.dy) fetch(static_cast<const T*>(a.dy) + (row + b) * this->y_row + d * out + unit);
      if (!dh[d]) fetch_cell(d, s, b, unit);
    };
    for (const bool ended : {false, true})
      multiply<1>(w_hh[d], ended ? Rows<T>{nullptr, 0} : gates, out, ended ? both : b0, ended ? least(b1, here) : both,
                  j0, j1, ahead, [&](int64_t b, int64_t unit, int64_t n, const T* sums) __attribute__((always_inline)) {
                    V grad = V::load(sums);
                    if (ended && dhn) grad += V::load(dhn + b * out + unit, n);
                    if (a.dy)
                      grad += V::load(static_cast<const T*>(a.dy) + (row + b) * this->y_row + d * out + unit, n);
                    dh[d] ? grad.store(dh[d] + (row + b) * out + unit, n) : cell(d, s, b, unit, n, grad);
                  });
    if (!a.dh0) return;
    multiply<1>(w_hh[d], gates, out, both, least(b1, after), j0, j1, kNothing,
                [&](int64_t b, int64_t unit, int64_t n, const T* sums) {
                  V grad = V::load(sums);
                  if (C == RnnCell::Gru) grad += V::load(carry[d] + b * hidden + unit, n);
                  grad.store(this->state(static_cast<T*>(a.dh0), d, g.batch, out, b) + unit, n);
                });
  }

  // The gradient of o tanh(c) from that of its projection.
  void project(int d, int64_t s, int64_t b0, int64_t b1, int64_t member) const {
    const int64_t panels = panels_of<1>(Strips<T>::strips(hidden));
    multiply<1>(
        w_hr[d], Rows<T>{dh[d] + this->row(d, s) * out, out}, hidden, b0, least(b1, this->count(d, s)),
        grid.first(member, panels), grid.first(member + 1, panels),
        [&](int64_t b, int64_t unit) __attribute__((always_inline)) { fetch_cell(d, s, b, unit); },
        [&](int64_t b, int64_t unit, int64_t n, const T* sums)
            __attribute__((always_inline)) { cell(d, s, b, unit, n, V::load(sums)); });
  }

  // Most of what a cell reads was written long ago.
  DLCORE_INLINE void fetch_cell(int d, int64_t s, int64_t b, int64_t unit) const {
    const int64_t row = this->row(d, s) + b;
    if constexpr (!K::kKeepsOutput)
      for (int i = 0; i < S; ++i) fetch(static_cast<const T*>(f.kept[d].gates) + (row * S + i) * hidden + unit);
    if constexpr (C == RnnCell::Lstm)
      fetch(static_cast<const T*>(f.kept[d].cells) + row * hidden + unit);
    else
      fetch(this->y(d, row) + unit);
    for (int i = 0; i < G; ++i) {
      fetch_to_write(dx_part[d] + (row * G + i) * hidden + unit);
      if (kTwoParts) fetch_to_write(dh_part[d] + (row * G + i) * hidden + unit);
    }
  }

  DLCORE_INLINE void cell(int d, int64_t s, int64_t b, int64_t unit, int64_t n, V grad) const {
    const int64_t row = this->row(d, s) + b;
    const bool began = b >= this->count(d, s - 1);  // with this step
    const T* from = K::kKeepsOutput ? this->y(d, row) : static_cast<const T*>(f.kept[d].gates) + row * S * hidden;
    V kept[S], dx[G], dh[G], state_before(T(0)), state(T(0)), carried(T(0));
    for (int i = 0; i < S; ++i) kept[i] = V::load(from + i * hidden + unit, n);
    if constexpr (C == RnnCell::Lstm) {
      const T* cells = static_cast<const T*>(f.kept[d].cells);
      const T* c0 = this->state(static_cast<const T*>(f.c0), d, g.batch, hidden, b);
      state_before = this->load(began ? c0 : cells + (this->row(d, s - 1) + b) * hidden, unit, n);
      state = V::load(cells + row * hidden + unit, n);
    } else if constexpr (K::kState) {
      const T* h0 = this->state(static_cast<const T*>(f.h0), d, g.batch, out, b);
      state_before = this->load(began ? h0 : this->y(d, this->row(d, s - 1) + b), unit, n);
    }
    if (K::kState) carried = V::load(carry[d] + b * hidden + unit, n);
    K::backward(grad, kept, state_before, state, carried, dx, dh);
    if (K::kState) carried.store(carry[d] + b * hidden + unit, n);
    for (int i = 0; i < G; ++i) {
      const int64_t at = row * G * hidden + i * hidden + unit;
      dx[i].store(dx_part[d] + at, n);
      if (kTwoParts) dh[i].store(dh_part[d] + at, n);
    }
  }

  // The gradients that sum over all rows.
  void products(int d) {
    const auto& to = a.gradients[d];
    const auto run = [&](const Gemm& p) { gemm({p}, scratch); };
    if (a.dx) run(input_gradient(d));
    if (to.w_ih) run(weight_gradient(G * hidden, dx_part[d], g.input, f.x, g.input, to.w_ih));
    const bool same = !kTwoParts && to.b_ih && to.b_hh;
    if (to.b_ih) run(bias_gradient(dx_part[d], to.b_ih));
    if (same) __builtin_memcpy(to.b_hh, to.b_ih, G * hidden * sizeof(T));
    if (to.b_hh && !same) run(bias_gradient(dh_part[d], to.b_hh));
    if (to.w_hh) {
      gather_before(d);
      run(weight_gradient(G * hidden, dh_part[d], out, before, out, to.w_hh));
    }
    if (to.w_hr) run(weight_gradient(out, dh[d], hidden, f.kept[d].full, hidden, to.w_hr));
    if (a.dc0)
      __builtin_memcpy(this->state(static_cast<T*>(a.dc0), d, g.batch, hidden, 0), carry[d],
                       g.batch * hidden * sizeof(T));
  }

  // h_{t-1} of all rows.
  void gather_before(int d) {
    const int64_t grain = most(1, (int64_t{1} << 16) / (out * most(1, g.batch)));
    parallel_for(g.steps, grain, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s)
        for (int64_t b = 0; b < this->count(d, s); ++b) {
          const T* h = b < this->count(d, s - 1) ? this->y(d, this->row(d, s - 1) + b)
                                                 : this->state(static_cast<const T*>(f.h0), d, g.batch, out, b);
          T* to = before + (this->row(d, s) + b) * out;
          h ? __builtin_memcpy(to, h, out * sizeof(T)) : __builtin_memset(to, 0, out * sizeof(T));
        }
    });
  }
};

// ---- weights as forward reads them

template <class T>
struct Packing {
  static constexpr int64_t L = kLanes<T>;
  const Rnn& g;
  RnnWeight which;

  Gemm input_product(const void* w) const {
    Gemm p{};
    p.dtype = g.dtype;
    p.n = g.gates() * g.hidden, p.k = g.input;
    p.b = w, p.b_row = 1, p.b_col = g.input;
    p.c_row = p.n, p.c_col = 1;
    return p;
  }

  int64_t size() const {
    constexpr int64_t item = sizeof(T);
    switch (which) {
      case RnnWeight::Input:
        return gemm_packed_b_size(input_product(nullptr));
      case RnnWeight::Recurrent:
        return g.gates() * Strips<T>::strips(g.hidden) * L * g.out() * item;
      default:
        return Strips<T>::strips(g.projection) * L * g.hidden * item;
    }
  }

  void pack(const T* w, void* to) const {
    T* strips = static_cast<T*>(to);
    switch (which) {
      case RnnWeight::Input:
        return gemm_pack_b(input_product(w), to);
      case RnnWeight::Recurrent:
        for (int64_t gate = 0; gate < g.gates(); ++gate)
          Strips<T>{strips, g.out()}.pack(gate * Strips<T>::strips(g.hidden), g.hidden, w + gate * g.hidden * g.out(),
                                          g.out(), 1);
        return;
      default:
        return Strips<T>{strips, g.hidden}.pack(0, g.projection, w, g.hidden, 1);
    }
  }
};

// ---- entry points

template <RnnCell C>
struct cell_constant {
  static constexpr RnnCell value = C;
};

// f(layer) with the layer's type.
template <template <class, RnnCell> class Pass, class A, class F>
DLCORE_INLINE void typed(const Rnn& g, const A& a, void* workspace, const F& f) {
  const auto of = [&](auto cell) {
    constexpr RnnCell C = decltype(cell)::value;
    if (g.dtype == DType::Float64)
      f(Pass<double, C>(g, a, workspace));
    else
      f(Pass<float, C>(g, a, workspace));
  };
  switch (g.cell) {
    case RnnCell::Tanh:
      return of(cell_constant<RnnCell::Tanh>());
    case RnnCell::Relu:
      return of(cell_constant<RnnCell::Relu>());
    case RnnCell::Lstm:
      return of(cell_constant<RnnCell::Lstm>());
    case RnnCell::Gru:
      return of(cell_constant<RnnCell::Gru>());
  }
}

int64_t rnn_packed_size(const Rnn& g, RnnWeight which) {
  return g.dtype == DType::Float64 ? Packing<double>{g, which}.size() : Packing<float>{g, which}.size();
}

void rnn_pack(const Rnn& g, RnnWeight which, const void* w, void* to) {
  if (g.dtype == DType::Float64)
    Packing<double>{g, which}.pack(static_cast<const double*>(w), to);
  else
    Packing<float>{g, which}.pack(static_cast<const float*>(w), to);
}

int64_t rnn_workspace(const Rnn& g, bool backward) {
  int64_t bytes = 0;
  const auto measure = [&](const auto& pass) { bytes = pass.arena.used; };
  if (backward)
    typed<Backward>(g, RnnBackward{}, nullptr, measure);
  else
    typed<Forward>(g, RnnForward{}, nullptr, measure);
  return bytes;
}

void rnn_forward(const Rnn& g, const RnnForward& f, void* workspace) {
  typed<Forward>(g, f, workspace, [](auto&& pass) { pass(); });
}

void rnn_backward(const Rnn& g, const RnnBackward& a, void* workspace) {
  typed<Backward>(g, a, workspace, [](auto&& pass) { pass(); });
}

}  // namespace

void fill_rnn(KernelTable& t) {
  t.rnn_packed_size = rnn_packed_size;
  t.rnn_pack = rnn_pack;
  t.rnn_workspace = rnn_workspace;
  t.rnn_forward = rnn_forward;
  t.rnn_backward = rnn_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
