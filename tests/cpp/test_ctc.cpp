// The CTC kernels against the recursion over probabilities in double, in every tier, between pages that may not be
// touched.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "guarded.h"
#include "kernels/registry.h"

namespace {

using dlcore::DType;
using dlcore::kernel::Ctc;
using dlcore::test::Guarded;
using dlcore::test::Scratch;
using Matrix = std::vector<std::vector<double>>;

// -log p(labels), and (classes a step) exp x less the probability of each class at each step given the labels.
double reference(const Matrix& x, const std::vector<int64_t>& labels, int64_t blank, Matrix& gradient) {
  std::vector<int64_t> states{blank};
  for (const int64_t c : labels) states.insert(states.end(), {c, blank});
  const size_t steps = x.size(), S = states.size();
  const auto skips = [&](size_t s) { return s >= 2 && states[s] != states[s - 2]; };
  Matrix alpha(steps, std::vector<double>(S)), beta = alpha;
  for (size_t t = 0; t < steps; ++t)
    for (size_t s = 0; s < S; ++s) {
      double from = t == 0 ? s < 2 : alpha[t - 1][s];
      if (t > 0 && s > 0) from += alpha[t - 1][s - 1];
      if (t > 0 && skips(s)) from += alpha[t - 1][s - 2];
      alpha[t][s] = from * std::exp(x[t][states[s]]);
    }
  for (size_t t = steps; t-- > 0;)
    for (size_t s = 0; s < S; ++s) {
      const auto after = [&](size_t k) { return beta[t + 1][k] * std::exp(x[t + 1][states[k]]); };
      if (t + 1 == steps)
        beta[t][s] = s + 2 >= S;
      else
        beta[t][s] = after(s) + (s + 1 < S ? after(s + 1) : 0) + (s + 2 < S && skips(s + 2) ? after(s + 2) : 0);
    }
  const double p = alpha[steps - 1][S - 1] + (S > 1 ? alpha[steps - 1][S - 2] : 0);
  for (size_t t = 0; t < steps; ++t) {
    for (size_t c = 0; c < x[t].size(); ++c) gradient[t][c] = std::exp(x[t][c]);
    for (size_t s = 0; s < S; ++s) gradient[t][states[s]] -= alpha[t][s] * beta[t][s] / p;
  }
  return -std::log(p);
}

template <class T>
void matches_reference(DType dtype) {
  constexpr int64_t samples = 3, steps = 21, classes = 7, blank = 2, longest = 9, states = 2 * longest + 1;
  const std::vector<std::vector<int64_t>> labels{{0, 1, 1, 3, 4, 5, 6, 6, 0}, {}, {1, 3, 5, 3}};
  const int64_t input_lengths[] = {21, 4, 9}, target_lengths[] = {9, 0, 4}, starts[] = {0, 9, 9};
  Guarded<int64_t> joined(13);
  int64_t end = 0;
  for (const auto& l : labels)
    for (const int64_t c : l) joined[end++] = c;

  const int64_t pitch = dlcore::kernel::ctc_pitch(states);
  for (const std::string& tier : dlcore::available_tiers()) {
    Guarded<T> x(steps * samples * classes), dx(x.size()), loss(samples), again(samples), dy(samples);
    Guarded<T> alpha(samples * steps * pitch), row(samples * pitch);
    for (int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(std::sin(static_cast<double>(i * i)) - 2);
    for (int64_t n = 0; n < samples; ++n) dy[n] = static_cast<T>(1 + n);
    Scratch scratch(samples * 3 * pitch * static_cast<int64_t>(sizeof(T)));
    const Ctc a{dtype,  samples,       steps,          classes, x.data(), samples * classes, classes, joined.data(),
                starts, input_lengths, target_lengths, blank,   states,   scratch.data()};
    const dlcore::KernelTable& table = dlcore::kernels(tier);
    table.ctc_loss(a, {loss.data(), alpha.data(), steps});
    table.ctc_loss(a, {again.data(), row.data(), 1});
    table.ctc_loss_backward(a, {loss.data(), alpha.data(), dy.data(), dx.data(), samples * classes, classes, false});

    const double eps = std::numeric_limits<T>::epsilon();
    for (int64_t n = 0; n < samples; ++n) {
      Matrix logs(static_cast<size_t>(input_lengths[n]), std::vector<double>(classes)), gradient = logs;
      for (size_t t = 0; t < logs.size(); ++t)
        for (int64_t c = 0; c < classes; ++c)
          logs[t][static_cast<size_t>(c)] = x[(static_cast<int64_t>(t) * samples + n) * classes + c];
      const double want = reference(logs, labels[static_cast<size_t>(n)], blank, gradient);
      ASSERT_NEAR(loss[n], want, 4 * steps * eps * want) << tier << " sample " << n;
      ASSERT_EQ(loss[n], again[n]);
      for (int64_t t = 0; t < steps; ++t)
        for (int64_t c = 0; c < classes; ++c) {
          const double g = t < input_lengths[n] ? gradient[static_cast<size_t>(t)][static_cast<size_t>(c)] : 0;
          ASSERT_NEAR(dx[(t * samples + n) * classes + c], (1 + n) * g, 8 * steps * eps)
              << tier << " sample " << n << " step " << t << " class " << c;
        }
    }
  }
}

TEST(Ctc, MatchesReferenceInFloat32) { matches_reference<float>(DType::Float32); }
TEST(Ctc, MatchesReferenceInFloat64) { matches_reference<double>(DType::Float64); }

}  // namespace
