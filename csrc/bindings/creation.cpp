#include "bindings/op.h"
#include "ops/internal.h"

namespace dlcore::bindings {

void bind_creation(Ops& ops) {
  ops.function<[](IntSpan sizes, std::optional<DType> t, std::optional<std::string> format) {
    return format ? clone(empty(sizes, t), *format) : empty(sizes, t);
  }>("empty(int... size, *, dtype? dtype=None, str? memory_format=None, **options) -> Tensor");
  ops.function<&zeros>("zeros(int... size, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&ones>("ones(int... size, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&full>("full(int[] size, Number fill_value, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&empty_strided>("empty_strided(int[] size, int[] stride, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&empty_like>(
      "empty_like(Tensor input, *, dtype? dtype=None, str memory_format='preserve_format', **options) -> Tensor");
  ops.function<&zeros_like>(
      "zeros_like(Tensor input, *, dtype? dtype=None, str memory_format='preserve_format', **options) -> Tensor");
  ops.function<&ones_like>(
      "ones_like(Tensor input, *, dtype? dtype=None, str memory_format='preserve_format', **options) -> Tensor");
  ops.function<&full_like>(
      "full_like(Tensor input, Number fill_value, *, dtype? dtype=None, str memory_format='preserve_format', "
      "**options) -> "
      "Tensor");

  ops.method<[](const Tensor& x, IntSpan sizes, std::optional<DType> t) {
    return empty(sizes, t.value_or(x.dtype()));
  }>("new_empty(Tensor input, int... size, *, dtype? dtype=None, **options) -> Tensor");
  ops.method<[](const Tensor& x, IntSpan sizes, std::optional<DType> t) {
    return zeros(sizes, t.value_or(x.dtype()));
  }>("new_zeros(Tensor input, int... size, *, dtype? dtype=None, **options) -> Tensor");
  ops.method<[](const Tensor& x, IntSpan sizes, std::optional<DType> t) { return ones(sizes, t.value_or(x.dtype())); }>(
      "new_ones(Tensor input, int... size, *, dtype? dtype=None, **options) -> Tensor");
  ops.method<[](const Tensor& x, IntSpan sizes, Scalar v, std::optional<DType> t) {
    return full(sizes, v, t.value_or(x.dtype()));
  }>("new_full(Tensor input, int[] size, Number fill_value, *, dtype? dtype=None, **options) -> Tensor");

  ops.method<[](const Tensor& x, IntSpan sizes, IntSpan strides, std::optional<DType> t) {
    return empty_strided(sizes, strides, t.value_or(x.dtype()));
  }>("new_empty_strided(Tensor input, int[] size, int[] stride, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<[](Scalar s, std::optional<DType> t) { return full({}, s, t.value_or(default_dtype())); }>(
      "scalar_tensor(Number s, *, dtype? dtype=None, **options) -> Tensor");

  ops.function<&eye>("eye(int n, int? m=None, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<[](Scalar end, std::optional<DType> t) { return arange(0, end, 1, t); }, &arange>(
      "arange", {"(Number end, *, dtype? dtype=None, **options) -> Tensor",
                 "(Number start, Number end, Number step=1, *, dtype? dtype=None, **options) -> Tensor"});
  ops.function<&linspace>("linspace(Number start, Number end, int steps, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&logspace>(
      "logspace(Number start, Number end, int steps, float base=10.0, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&tril_indices>(
      "tril_indices(int row, int col, int offset=0, *, dtype? dtype=None, **options) -> Tensor");
  ops.function<&triu_indices>(
      "triu_indices(int row, int col, int offset=0, *, dtype? dtype=None, **options) -> Tensor");
}

}  // namespace dlcore::bindings
