#include "bindings/twin.h"

#include <cmath>

namespace dlcore::bindings {
namespace {

constexpr double kDefaultNorm = 2;

// p of torch.norm: a number, or "fro".
Tensor norm_by_name(const Tensor& x, const std::string& p, DimList dim, bool keepdim, OptionalDType dtype) {
  if (p == "nuc") throw NotImplementedError("norm: for the nuclear norm call linalg.matrix_norm(x, 'nuc')");
  if (p == "inf" || p == "-inf") return norm(x, p == "inf" ? INFINITY : -INFINITY, dim, keepdim, dtype);
  if (p != "fro") throw RuntimeError("norm: p must be a number, 'fro' or 'nuc'; got '" + p + "'");
  return norm(x, kDefaultNorm, dim, keepdim, dtype);
}
Tensor norm_by_number(const Tensor& x, std::optional<Scalar> p, DimList dim, bool keepdim, OptionalDType dtype) {
  return norm(x, p ? p->to_double() : kDefaultNorm, dim, keepdim, dtype);
}

// var(x, unbiased), var(x, dim, unbiased, keepdim): the older way to say correction = 1 or 0.
template <auto F>
auto unbiased_all(const Tensor& x, bool unbiased) {
  return F(x, std::nullopt, unbiased ? 1 : 0, false);
}
template <auto F>
auto unbiased_dim(const Tensor& x, DimList dim, bool unbiased, bool keepdim) {
  return F(x, dim, unbiased ? 1 : 0, keepdim);
}
template <auto F>
auto corrected(const Tensor& x, DimList dim, std::optional<Scalar> correction, bool keepdim) {
  return F(x, dim, correction ? correction->to_double() : 1, keepdim);
}

template <auto F>
Tensor prod_like(const Tensor& x, OptionalDType dtype) {
  return F(x, std::nullopt, false, dtype);
}

template <auto F>
void bind_moments(Ops& ops, const std::string& name, const std::string& result, bool method) {
  const std::string texts[] = {
      "(Tensor input, bool unbiased) -> " + result,
      "(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> " + result,
      "(Tensor input, int[1]? dim=None, *, Number? correction=1, bool keepdim=False) -> " + result};
  const Ops::Signatures overloads = {texts[0].c_str(), texts[1].c_str(), texts[2].c_str()};
  if (method)
    ops.op<&unbiased_all<F>, &unbiased_dim<F>, &corrected<F>>(name.c_str(), overloads);
  else
    ops.function<&unbiased_all<F>, &unbiased_dim<F>, &corrected<F>>(name.c_str(), overloads);
}

}  // namespace

void bind_reduction(Ops& ops) {
  ops.op<&sum>("sum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor");
  ops.op<&nansum>("nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor");
  ops.op<&mean>("mean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor");
  ops.op<&prod_like<&prod>, &prod>("prod",
                                   {"(Tensor input, *, dtype? dtype=None) -> Tensor",
                                    "(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor"});
  ops.op<&count_nonzero>("count_nonzero(Tensor input, int[1]? dim=None) -> Tensor");

  ops.op<&amax>("amax(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor");
  ops.op<&amin>("amin(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor");
  ops.op<&aminmax>("aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)");
  ops.op<&max_all, &max_dim, &maximum>(
      "max",
      {"(Tensor input) -> Tensor", "(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
       "(Tensor input, Tensor other) -> Tensor"});
  ops.op<&min_all, &min_dim, &minimum>(
      "min",
      {"(Tensor input) -> Tensor", "(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
       "(Tensor input, Tensor other) -> Tensor"});
  ops.op<&argmax>("argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor");
  ops.op<&argmin>("argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor");
  ops.op<&median_all, &median_dim>(
      "median",
      {"(Tensor input) -> Tensor", "(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"});
  ops.op<&all>("all(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor");
  ops.op<&any>("any(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor");

  bind_moments<&var>(ops, "var", "Tensor", true);
  bind_moments<&stddev>(ops, "std", "Tensor", true);
  bind_moments<&var_mean>(ops, "var_mean", "(Tensor, Tensor)", false);
  bind_moments<&std_mean>(ops, "std_mean", "(Tensor, Tensor)", false);
  ops.op<&norm_by_name, &norm_by_number>(
      "norm", {"(Tensor input, str p='fro', int[1]? dim=None, bool keepdim=False, dtype? dtype=None) -> Tensor",
               "(Tensor input, Number? p, int[1]? dim=None, bool keepdim=False, dtype? dtype=None) -> Tensor"});
  ops.op<&bincount>("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor");

  ops.op<&logsumexp>("logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor");
  ops.op<&softmax>("softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor");
  ops.op<&log_softmax>("log_softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor");

  ops.op<&cumsum>("cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor");
  ops.op<&cumprod>("cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor");
  ops.method<twin<"cumsum_", &cumsum>>("cumsum_(Tensor input, int dim, *, dtype? dtype=None) -> Tensor");
  ops.method<twin<"cumprod_", &cumprod>>("cumprod_(Tensor input, int dim, *, dtype? dtype=None) -> Tensor");
  ops.op<&logcumsumexp>("logcumsumexp(Tensor input, int dim) -> Tensor");
  ops.op<&cummax>("cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)");
  ops.op<&cummin>("cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)");
}

}  // namespace dlcore::bindings
