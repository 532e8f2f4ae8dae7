#pragma once
#include "dlcore/random.h"
#include "dlcore/tensor.h"

namespace dlcore {

// Random numbers. Without a generator, the default one is used. Results depend on its seed and on what was drawn from
// it before, not on the number of threads. Gradients through them are zero.

DLCORE_API Tensor rand(IntSpan sizes, std::optional<DType> dtype = {}, Generator* generator = nullptr);   // [0, 1)
DLCORE_API Tensor randn(IntSpan sizes, std::optional<DType> dtype = {}, Generator* generator = nullptr);  // N(0, 1)
// Integers in [low, high); int64 unless given.
DLCORE_API Tensor randint(int64_t low, int64_t high, IntSpan sizes, std::optional<DType> dtype = {},
                          Generator* generator = nullptr);
// 0 ... n - 1 in random order; int64 unless given.
DLCORE_API Tensor randperm(int64_t n, std::optional<DType> dtype = {}, Generator* generator = nullptr);

// N(mean, std^2), elementwise where they are tensors; dtype and shape are then the mean's and std's broadcast.
DLCORE_API Tensor normal(double mean, double std, IntSpan sizes, std::optional<DType> dtype = {},
                         Generator* generator = nullptr);
DLCORE_API Tensor normal(const Tensor& mean, const Tensor& std, Generator* generator = nullptr);
DLCORE_API Tensor normal(const Tensor& mean, double std = 1, Generator* generator = nullptr);
DLCORE_API Tensor normal(double mean, const Tensor& std, Generator* generator = nullptr);

// 1 with the probability that p's element says, or for every element of x with probability p.
DLCORE_API Tensor bernoulli(const Tensor& p, Generator* generator = nullptr);
DLCORE_API Tensor bernoulli(const Tensor& x, double p, Generator* generator = nullptr);
// How many events of this mean rate happen; of rate's shape and dtype.
DLCORE_API Tensor poisson(const Tensor& rate, Generator* generator = nullptr);
// Successes in `count` independent trials of probability `prob`; shapes broadcast.
DLCORE_API Tensor binomial(const Tensor& count, const Tensor& prob, Generator* generator = nullptr);
// `count` indices into the last dimension, each drawn with probability proportional to its weight, with or without
// putting it back. weights (categories) or (rows, categories) -> (count) or (rows, count).
DLCORE_API Tensor multinomial(const Tensor& weights, int64_t count, bool replacement = false,
                              Generator* generator = nullptr);

// In place, elements drawn independently.
DLCORE_API Tensor uniform_(const Tensor& x, double from = 0, double to = 1,
                           Generator* generator = nullptr);  // [from, to)
DLCORE_API Tensor normal_(const Tensor& x, double mean = 0, double std = 1, Generator* generator = nullptr);
DLCORE_API Tensor log_normal_(const Tensor& x, double mean = 1, double std = 2,
                              Generator* generator = nullptr);  // e^N(mean, std^2)
DLCORE_API Tensor exponential_(const Tensor& x, double rate = 1,
                               Generator* generator = nullptr);  // density rate e^(-rate x)
DLCORE_API Tensor cauchy_(const Tensor& x, double median = 0, double sigma = 1, Generator* generator = nullptr);
DLCORE_API Tensor geometric_(const Tensor& x, double p,
                             Generator* generator = nullptr);  // trials up to the first success
DLCORE_API Tensor bernoulli_(const Tensor& x, double p = 0.5, Generator* generator = nullptr);
DLCORE_API Tensor bernoulli_(const Tensor& x, const Tensor& p, Generator* generator = nullptr);
// Integers in [from, to); without `to` up to the largest that the dtype holds exactly, which is included.
DLCORE_API Tensor random_(const Tensor& x, int64_t from = 0, std::optional<int64_t> to = {},
                          Generator* generator = nullptr);

}  // namespace dlcore
