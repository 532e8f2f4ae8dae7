#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "guarded.h"
#include "kernels/ref/rnn.h"
#include "kernels/registry.h"

namespace {

using dlcore::kernel::Rnn;
using dlcore::kernel::RnnBackward;
using dlcore::kernel::RnnCell;
using dlcore::kernel::RnnForward;
using dlcore::kernel::RnnWeight;
using dlcore::test::Guarded;
using dlcore::test::Scratch;

// A layer with its tensors: x, h0, c0, then w_ih, w_hh, b_ih, b_hh, w_hr of each direction.
template <class T>
struct Tensors {
  std::vector<std::unique_ptr<Guarded<T>>> all;

  explicit Tensors(const std::vector<int64_t>& sizes) {
    for (const int64_t n : sizes) all.push_back(n ? std::make_unique<Guarded<T>>(n) : nullptr);
  }
  T* at(size_t i) { return all[i] ? all[i]->data() : nullptr; }
};

struct Problem {
  Rnn g;
  std::vector<int64_t> batch_sizes;

  std::vector<int64_t> inputs() const {
    const int64_t rows = g.gates() * g.hidden, states = g.directions * g.batch;
    std::vector<int64_t> n{g.total * g.input, states * g.out(), g.cell == RnnCell::Lstm ? states * g.hidden : 0};
    for (int64_t d = 0; d < g.directions; ++d)
      for (const int64_t size : {rows * g.input, rows * g.out(), rows, rows, g.projection * g.hidden})
        n.push_back(size);
    return n;
  }
  // y, hn, cn
  std::vector<int64_t> outputs() const {
    const auto in = inputs();
    return {g.total * g.directions * g.out(), in[1], in[2]};
  }
};

Problem problem(dlcore::DType dtype, RnnCell cell, std::vector<int64_t> sizes, int64_t input, int64_t hidden,
                int64_t directions, int64_t projection = 0) {
  Problem p{{.dtype = dtype,
             .cell = cell,
             .steps = static_cast<int64_t>(sizes.size()),
             .batch = sizes[0],
             .input = input,
             .hidden = hidden,
             .projection = projection,
             .directions = directions},
            std::move(sizes)};
  for (const int64_t n : p.batch_sizes) p.g.total += n;
  return p;
}

template <class T>
RnnForward arguments(const Rnn& g, Tensors<T>& in, Tensors<T>& out) {
  RnnForward f{};
  f.x = in.at(0), f.h0 = in.at(1), f.c0 = in.at(2);
  f.y = out.at(0), f.hn = out.at(1), f.cn = out.at(2);
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d)
    f.parameters[d] = {in.at(3 + 5 * d), in.at(4 + 5 * d), in.at(5 + 5 * d), in.at(6 + 5 * d), in.at(7 + 5 * d)};
  return f;
}

template <class T>
void run(const std::string& tier, const Problem& p, double bound) {
  const dlcore::KernelTable& table = dlcore::kernels(tier);
  Rnn g = p.g;
  g.batch_sizes = p.batch_sizes.data();
  const auto sizes = p.inputs();
  Tensors<T> in(sizes), out(p.outputs()), again(p.outputs()), cotangents(p.outputs()), gradients(sizes);
  Tensors<double> exact(sizes), exact_out(p.outputs());
  int64_t seed = 0;
  const double scale = 1 / std::sqrt(static_cast<double>(g.hidden));
  for (size_t i = 0; i < sizes.size(); ++i)
    for (int64_t j = 0; j < sizes[i]; ++j, ++seed) {
      in.at(i)[j] = static_cast<T>((i < 3 ? 1 : scale) * std::sin(static_cast<double>(seed * seed % 1009)));
      exact.at(i)[j] = in.at(i)[j];
    }

  // forward, both ways
  RnnForward f = arguments(g, in, out);
  std::vector<std::unique_ptr<Scratch>> packed;
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d)
    for (auto [which, w] :
         {std::pair(RnnWeight::Input, &f.parameters[d].w_ih), std::pair(RnnWeight::Recurrent, &f.parameters[d].w_hh),
          std::pair(RnnWeight::Projection, &f.parameters[d].w_hr)}) {
      if (!*w) continue;
      packed.push_back(std::make_unique<Scratch>(table.rnn_packed_size(g, which)));
      table.rnn_pack(g, which, *w, packed.back()->data());
      *w = packed.back()->data();
    }
  {
    Scratch scratch(table.rnn_workspace(g, false));
    table.rnn_forward(g, f, scratch.data());
  }
  const Rnn inference = g;
  g.keep = true;
  RnnForward kept = f;
  kept.y = again.at(0), kept.hn = again.at(1), kept.cn = again.at(2);
  std::vector<std::unique_ptr<Guarded<T>>> memory;
  const auto keep = [&](int64_t n) -> void* {
    if (!n) return nullptr;
    memory.push_back(std::make_unique<Guarded<T>>(n));
    return memory.back()->data();
  };
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d)
    kept.kept[d] = {keep(g.total * g.kept() * g.hidden), keep(g.cell == RnnCell::Lstm ? g.total * g.hidden : 0),
                    keep(g.projection ? g.total * g.hidden : 0)};
  {
    Scratch scratch(table.rnn_workspace(g, false));
    table.rnn_forward(g, kept, scratch.data());
  }
  const auto reference = [&] { dlcore::kernel::ref::rnn_forward(inference, arguments(g, exact, exact_out)); };
  reference();
  const auto outputs = p.outputs();
  for (size_t i = 0; i < outputs.size(); ++i)
    for (int64_t j = 0; j < outputs[i]; ++j) {
      ASSERT_NEAR(out.at(i)[j], exact_out.at(i)[j], bound) << "output " << i << " at " << j;
      ASSERT_EQ(out.at(i)[j], again.at(i)[j]);
    }

  // backward, along one direction through all inputs at once: sum of gradients times it against central differences
  for (size_t i = 0; i < outputs.size(); ++i)
    for (int64_t j = 0; j < outputs[i]; ++j)
      cotangents.at(i)[j] = static_cast<T>(std::cos(static_cast<double>(++seed)));
  RnnBackward a{};
  a.forward = arguments(g, in, again);
  a.forward.kept[0] = kept.kept[0], a.forward.kept[1] = kept.kept[1];
  a.dy = cotangents.at(0), a.dhn = cotangents.at(1), a.dcn = cotangents.at(2);
  a.dx = gradients.at(0), a.dh0 = gradients.at(1), a.dc0 = gradients.at(2);
  for (size_t d = 0; d < static_cast<size_t>(g.directions); ++d)
    a.gradients[d] = {gradients.at(3 + 5 * d), gradients.at(4 + 5 * d), gradients.at(5 + 5 * d),
                      gradients.at(6 + 5 * d), gradients.at(7 + 5 * d)};
  {
    Scratch scratch(table.rnn_workspace(g, true));
    table.rnn_backward(g, a, scratch.data());
  }
  const auto direction = [](size_t i, int64_t j) {
    return std::sin(static_cast<double>(j) * 0.7 + static_cast<double>(i));
  };
  const auto loss = [&](double by) {
    for (size_t i = 0; i < sizes.size(); ++i)
      for (int64_t j = 0; j < sizes[i]; ++j) exact.at(i)[j] = in.at(i)[j] + by * direction(i, j);
    reference();
    double sum = 0;
    for (size_t i = 0; i < outputs.size(); ++i)
      for (int64_t j = 0; j < outputs[i]; ++j) sum += exact_out.at(i)[j] * cotangents.at(i)[j];
    return sum;
  };
  constexpr double h = 1e-6;
  const double want = (loss(h) - loss(-h)) / (2 * h);
  double got = 0, size = 0;
  for (size_t i = 0; i < sizes.size(); ++i)
    for (int64_t j = 0; j < sizes[i]; ++j) {
      got += gradients.at(i)[j] * direction(i, j);
      size += std::abs(gradients.at(i)[j] * direction(i, j));
    }
  EXPECT_NEAR(got, want, (bound + 1e-7) * (size + 1));
}

TEST(Rnn, MatchesReferenceInEveryTier) {
  const std::vector<int64_t> dense{3, 3, 3}, falling{9, 8, 3, 3, 1}, wide{17, 17}, one{1, 1, 1, 1};
  for (const std::string& tier : dlcore::available_tiers())
    for (const RnnCell cell : {RnnCell::Tanh, RnnCell::Relu, RnnCell::Lstm, RnnCell::Gru})
      for (const auto& sizes : {dense, falling, wide, one})
        for (const int64_t hidden : {1, 7, 16, 19, 37, 70})
          for (const int64_t directions : {1, 2}) {
            SCOPED_TRACE(tier + ", cell " + std::to_string(static_cast<int>(cell)) + ", batch " +
                         std::to_string(sizes[0]) + ", hidden " + std::to_string(hidden));
            const double roundings = static_cast<double>(sizes.size() * (static_cast<size_t>(hidden) + 5 + 8));
            run<float>(tier, problem(dlcore::DType::Float32, cell, sizes, 5, hidden, directions),
                       4 * std::numeric_limits<float>::epsilon() * roundings);
            if (hidden > 20) continue;
            run<double>(tier, problem(dlcore::DType::Float64, cell, sizes, 5, hidden, directions),
                        4 * std::numeric_limits<double>::epsilon() * roundings);
            if (cell == RnnCell::Lstm && hidden > 1)
              run<float>(tier, problem(dlcore::DType::Float32, cell, sizes, 5, hidden, directions, hidden / 2),
                         4 * std::numeric_limits<float>::epsilon() * roundings);
          }
}

}  // namespace
