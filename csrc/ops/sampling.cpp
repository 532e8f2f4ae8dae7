// Random draws that depend on tensors, or that are made of other ops.
#include <cmath>

#include "ops/random.h"

namespace dlcore {

using kernel::Distribution;

Tensor normal(const Tensor& mean, const Tensor& std, Generator* generator) {
  check_floating("normal", mean.dtype());
  check_floating("normal", std.dtype());
  Tensor y;
  {
    NoGrad no_grad;
    DLCORE_CHECK(!any(lt(std, number(0))).item().to_bool(), RuntimeError, "normal: std must not be negative");
    const DType t = compute_dtype(mean.dtype());
    const Tensor z = randn(broadcast_shapes("normal", mean.sizes(), std.sizes()), t, generator);
    y = to_dtype(add(mul(z, std), mean), mean.dtype());
  }
  return without_gradient("normal", y, {mean, std});
}
Tensor normal(const Tensor& mean, double std, Generator* generator) {
  return normal(mean, full({}, std, mean.dtype()), generator);
}
Tensor normal(double mean, const Tensor& std, Generator* generator) {
  return normal(full({}, mean, std.dtype()), std, generator);
}

namespace {

// u < p with u uniform, as 0 and 1.
Tensor coins(const char* op, const Tensor& p, IntSpan sizes, DType dtype, Generator* generator) {
  NoGrad no_grad;
  DLCORE_CHECK(all(logical_and(ge(p, number(0)), le(p, number(1)))).item().to_bool(), RuntimeError, op,
               ": probabilities must be in [0, 1]");
  const DType t = compute_dtype(p.dtype());
  return to_dtype(lt(rand(sizes, t, generator), to_dtype(p, t)), dtype);
}

}  // namespace

Tensor bernoulli(const Tensor& p, Generator* generator) {
  check_floating("bernoulli", p.dtype());
  return without_gradient("bernoulli", coins("bernoulli", p, p.sizes(), p.dtype(), generator), {p});
}
Tensor bernoulli_(const Tensor& x, const Tensor& p, Generator* generator) {
  check_floating("bernoulli_", p.dtype());
  return redraw("bernoulli_", x, [&](const Tensor& y) {
    copy_data(y, coins("bernoulli_", expand(p, x.sizes()), x.sizes(), x.dtype(), generator));
  });
}

// ---- counts

namespace {

// What `law` draws for parameters a and b (or a alone), of one shape.
Tensor counted(const char* op, kernel::CountLaw law, const Tensor& a, const Tensor& b, DType dtype,
               Generator* generator) {
  const auto doubles = [](const Tensor& x) { return contiguous(to_dtype(x, DType::Float64)); };
  const Tensor first = doubles(a), second = doubles(b), y = new_tensor(a.sizes(), DType::Float64);
  const int64_t n = y.numel();
  const auto [seed, offset] = (generator ? *generator : default_generator()).reserve(static_cast<uint64_t>(n));
  if (n > 0)
    launch(op, {24.0 * double(n), 200.0 * double(n)}, [&] {
      kernels().counts({law, y.data<double>(), first.data<double>(), second.data<double>(), n, seed, offset});
    });
  return to_dtype(y, dtype);
}

bool everywhere(const Tensor& condition) { return all(condition).item().to_bool(); }

}  // namespace

Tensor poisson(const Tensor& rate, Generator* generator) {
  check_floating("poisson", rate.dtype());
  Tensor y;
  {
    NoGrad no_grad;
    DLCORE_CHECK(everywhere(logical_and(ge(rate, number(0)), lt(rate, number(INFINITY)))), RuntimeError,
                 "poisson: rates must be finite and not negative");
    y = counted("poisson", kernel::CountLaw::Poisson, rate, rate, rate.dtype(), generator);
  }
  return without_gradient("poisson", y, {rate});
}

Tensor binomial(const Tensor& count, const Tensor& prob, Generator* generator) {
  check_floating("binomial", count.dtype());
  check_floating("binomial", prob.dtype());
  DLCORE_CHECK(count.dtype() == prob.dtype(), RuntimeError, "binomial: count and prob must have one dtype, but got ",
               name(count.dtype()), " and ", name(prob.dtype()));
  Tensor y;
  {
    NoGrad no_grad;
    DLCORE_CHECK(everywhere(logical_and(ge(count, number(0)), lt(count, number(INFINITY)))), RuntimeError,
                 "binomial: counts must be finite and not negative");
    DLCORE_CHECK(everywhere(logical_and(ge(prob, number(0)), le(prob, number(1)))), RuntimeError,
                 "binomial: probabilities must be in [0, 1]");
    const Dims sizes = broadcast_shapes("binomial", count.sizes(), prob.sizes());
    y = counted("binomial", kernel::CountLaw::Binomial, expand(floor(count), sizes), expand(prob, sizes), count.dtype(),
                generator);
  }
  return without_gradient("binomial", y, {count, prob});
}

// ---- multinomial

Tensor multinomial(const Tensor& weights, int64_t count, bool replacement, Generator* generator) {
  NoGrad no_grad;
  check_floating("multinomial", weights.dtype());
  DLCORE_CHECK(weights.dim() == 1 || weights.dim() == 2, RuntimeError,
               "multinomial: weights must have 1 or 2 dimensions but got shape ", weights.sizes());
  const int64_t categories = weights.size(-1);
  DLCORE_CHECK(count > 0, RuntimeError, "multinomial: num_samples must be positive, got ", count);
  DLCORE_CHECK(replacement ? categories > 0 : count <= categories, RuntimeError, "multinomial: cannot draw ", count,
               " of ", categories, " categories without replacement");
  Dims sizes = sizes_of(weights);
  sizes[sizes.size() - 1] = count;
  if (weights.numel() == 0) return new_tensor(sizes, DType::Int64);
  const Tensor w = to_dtype(weights, DType::Float64);
  DLCORE_CHECK(all(logical_and(ge(w, number(0)), lt(w, number(INFINITY)))).item().to_bool(), RuntimeError,
               "multinomial: weights must be finite and not negative");
  const Tensor ends = cumsum(w, -1), total = narrow(ends, -1, categories - 1, 1);
  DLCORE_CHECK(all(gt(total, number(0))).item().to_bool(), RuntimeError,
               "multinomial: the weights of a row must not add up to 0");
  if (replacement)  // category k owns [ends_k-1, ends_k)
    return searchsorted(ends, contiguous(mul(rand(sizes, DType::Float64, generator), total)), false, true);
  // Clocks that ring at rate w: the order in which they ring is the order of drawing one after another.
  const Tensor times = div(exponential_(empty(w.sizes(), DType::Float64), 1, generator), w);
  return std::get<1>(topk(times, count, -1, false, true));
}

namespace {

// f of double numbers drawn by `law`, rounded once.
template <class F>
Tensor transformed(const char* op, const Tensor& x, const Law& law, Generator* generator, const F& f) {
  return redraw(op, x, [&](const Tensor& y) {
    NoGrad no_grad;
    copy_data(y, f(drawn(op, new_tensor(x.sizes(), DType::Float64), law, generator)));
  });
}

}  // namespace

Tensor log_normal_(const Tensor& x, double mean, double std, Generator* generator) {
  check_floating("log_normal_", x.dtype());
  DLCORE_CHECK(std > 0, RuntimeError, "log_normal_: std must be positive, got ", std);
  return transformed("log_normal_", x, {Distribution::Normal, mean, std}, generator,
                     [](const Tensor& z) { return exp(z); });
}

Tensor cauchy_(const Tensor& x, double median, double sigma, Generator* generator) {
  check_floating("cauchy_", x.dtype());
  DLCORE_CHECK(sigma > 0, RuntimeError, "cauchy_: sigma must be positive, got ", sigma);
  return transformed("cauchy_", x, {Distribution::Uniform, -M_PI / 2, M_PI / 2}, generator,
                     [&](const Tensor& angle) { return tan(angle) * sigma + median; });
}

Tensor geometric_(const Tensor& x, double p, Generator* generator) {
  DLCORE_CHECK(p > 0 && p < 1, RuntimeError, "geometric_: p must be in (0, 1) but got ", p);
  DLCORE_CHECK(x.dtype() != DType::Bool, NotImplementedError, "geometric_: dtype must not be bool");
  return transformed("geometric_", x, {Distribution::Exponential, -std::log1p(-p)}, generator,
                     [](const Tensor& t) { return ceil(t); });
}

}  // namespace dlcore
