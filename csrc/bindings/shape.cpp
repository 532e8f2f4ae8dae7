#include "bindings/twin.h"

namespace dlcore::bindings {
namespace {

std::vector<int64_t> values_of(const Tensor& x) {
  const Tensor dense = contiguous(to_dtype(x, DType::Int64));
  return {dense.data<int64_t>(), dense.data<int64_t>() + dense.numel()};
}

template <auto F>
TensorList each(const TensorList& tensors) {
  TensorList result;
  for (const Tensor& x : tensors) result.push_back(F(x));
  return result;
}

}  // namespace

void bind_shape(Ops& ops) {
  // Views.
  ops.method<&view, &view_dtype>("view",
                                 {"(Tensor input, int... size) -> Tensor", "(Tensor input, dtype dtype) -> Tensor"});
  ops.op<&reshape>("reshape(Tensor input, int... shape) -> Tensor");
  ops.method<[](const Tensor& x, const Tensor& other) { return view(x, other.sizes()); }>(
      "view_as(Tensor input, Tensor other) -> Tensor");
  ops.method<[](const Tensor& x, const Tensor& other) { return reshape(x, other.sizes()); }>(
      "reshape_as(Tensor input, Tensor other) -> Tensor");
  ops.op<&flatten>("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor");
  ops.op<&unflatten>("unflatten(Tensor input, int dim, int[1] sizes) -> Tensor");
  ops.op<&ravel>("ravel(Tensor input) -> Tensor");
  ops.op<&squeeze>("squeeze(Tensor input, int[1]? dim=None) -> Tensor");
  ops.op<&unsqueeze>("unsqueeze(Tensor input, int dim) -> Tensor");
  ops.op<&permute>("permute(Tensor input, int... dims) -> Tensor");
  ops.op<&transpose>("transpose(Tensor input, int dim0, int dim1) -> Tensor");
  ops.op<&transpose>("swapaxes(Tensor input, int axis0, int axis1) -> Tensor");
  ops.same("swapdims", "transpose");
  ops.op<&t>("t(Tensor input) -> Tensor");
  ops.op<&mT>("adjoint(Tensor input) -> Tensor");
  ops.op<&movedim>("movedim(Tensor input, int[1] source, int[1] destination) -> Tensor");
  ops.same("moveaxis", "movedim");
  ops.method<[](const Tensor& x, IntSpan size, bool) { return expand(x, size); }>(
      "expand(Tensor input, int... size, *, bool implicit=False) -> Tensor");
  ops.method<&expand_as>("expand_as(Tensor input, Tensor other) -> Tensor");
  ops.op<&broadcast_to>("broadcast_to(Tensor input, int[] size) -> Tensor");
  ops.function<&broadcast_tensors>("broadcast_tensors(Tensor... tensors) -> Tensor[]");
  ops.op<&select>("select(Tensor input, int dim, int index) -> Tensor");
  ops.op<&narrow>("narrow(Tensor input, int dim, int start, int length) -> Tensor");
  ops.op<&unbind>("unbind(Tensor input, int dim=0) -> Tensor[]");
  ops.op<&split, &split_with_sizes, &split, &split_with_sizes>(
      "split", {"(Tensor input, int split_size, int dim=0) -> Tensor[]",
                "(Tensor input, int[] split_size, int dim=0) -> Tensor[]",
                "(Tensor tensor, int split_size_or_sections, int dim=0) -> Tensor[]",
                "(Tensor tensor, int[] split_size_or_sections, int dim=0) -> Tensor[]"});
  ops.op<&split_with_sizes>("split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]");
  ops.op<&chunk>("chunk(Tensor input, int chunks, int dim=0) -> Tensor[]");
  ops.op<&tensor_split, &tensor_split_at,
         [](const Tensor& x, const Tensor& at, int64_t dim) {
           DLCORE_CHECK(at.dim() == 1 && is_integral(at.dtype(), false), RuntimeError,
                        "tensor_split: tensor_indices_or_sections must be a vector of integers or one integer but got ",
                        name(at.dtype()), " of shape ", at.sizes());
           return tensor_split_at(x, values_of(at), dim);
         }>("tensor_split", {"(Tensor input, int sections, int dim=0) -> Tensor[]",
                             "(Tensor input, int[] indices, int dim=0) -> Tensor[]",
                             "(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]"});
  ops.op<&hsplit, &hsplit_at>(
      "hsplit", {"(Tensor input, int sections) -> Tensor[]", "(Tensor input, int[] indices) -> Tensor[]"});
  ops.op<&vsplit, &vsplit_at>(
      "vsplit", {"(Tensor input, int sections) -> Tensor[]", "(Tensor input, int[] indices) -> Tensor[]"});
  ops.op<&dsplit, &dsplit_at>(
      "dsplit", {"(Tensor input, int sections) -> Tensor[]", "(Tensor input, int[] indices) -> Tensor[]"});
  ops.op<&diagonal>("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor");
  ops.method<&unfold>("unfold(Tensor input, int dimension, int size, int step) -> Tensor");
  ops.op<&as_strided>("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor");
  const Ops::Signatures one_or_several = {"(Tensor input) -> Tensor", "(Tensor... tensors) -> Tensor[]"};
  ops.function<&atleast_1d, &each<atleast_1d>>("atleast_1d", one_or_several);
  ops.function<&atleast_2d, &each<atleast_2d>>("atleast_2d", one_or_several);
  ops.function<&atleast_3d, &each<atleast_3d>>("atleast_3d", one_or_several);

  // Joining.
  ops.function<&cat>("cat(Tensor[] tensors, int dim=0) -> Tensor");
  ops.same("concat", "cat");
  ops.same("concatenate", "cat");
  ops.function<&stack>("stack(Tensor[] tensors, int dim=0) -> Tensor");
  ops.function<&hstack>("hstack(Tensor[] tensors) -> Tensor");
  ops.function<&vstack>("vstack(Tensor[] tensors) -> Tensor");
  ops.same("row_stack", "vstack");
  ops.function<&dstack>("dstack(Tensor[] tensors) -> Tensor");
  ops.function<&column_stack>("column_stack(Tensor[] tensors) -> Tensor");
  ops.function<&block_diag>("block_diag(Tensor... tensors) -> Tensor");
  ops.function<[](const TensorList& l, std::optional<std::string> indexing) {
    return meshgrid(l, indexing.value_or("ij"));
  }>("meshgrid(Tensor... tensors, *, str? indexing=None) -> Tensor[]");
  ops.function<&cartesian_prod>("cartesian_prod(Tensor... tensors) -> Tensor");

  // Copies.
  ops.method<&repeat>("repeat(Tensor input, int... repeats) -> Tensor");
  ops.op<&tile>("tile(Tensor input, int... dims) -> Tensor");
  ops.op<[](const Tensor& x, int64_t repeats, std::optional<int64_t> dim, std::optional<int64_t> size) {
    return repeat_interleave(x, repeats, dim, size);
  },
         [](const Tensor& x, const Tensor& repeats, std::optional<int64_t> dim, std::optional<int64_t> size) {
           return repeat_interleave(x, repeats, dim, size);
         },
         [](const Tensor& repeats, std::optional<int64_t> size) { return repeat_interleave(repeats, size); }>(
      "repeat_interleave", {"(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> Tensor",
                            "(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor",
                            "(Tensor repeats, *, int? output_size=None) -> Tensor"});
  ops.op<&flip>("flip(Tensor input, int... dims) -> Tensor");
  ops.op<&fliplr>("fliplr(Tensor input) -> Tensor");
  ops.op<&flipud>("flipud(Tensor input) -> Tensor");
  ops.op<&roll>("roll(Tensor input, int[1] shifts, int[1] dims=[]) -> Tensor");
  ops.op<&rot90>("rot90(Tensor input, int k=1, int[] dims=[0, 1]) -> Tensor");
  ops.op<&tril>("tril(Tensor input, int diagonal=0) -> Tensor");
  ops.op<&triu>("triu(Tensor input, int diagonal=0) -> Tensor");
  ops.op<&diag>("diag(Tensor input, int diagonal=0) -> Tensor");
  ops.op<&diagflat>("diagflat(Tensor input, int offset=0) -> Tensor");
  ops.op<&diag_embed>("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor");
  ops.op<[](const Tensor& x, std::optional<std::string> f) { return f ? clone(x, *f) : clone(x); }>(
      "clone(Tensor input, *, str? memory_format=None) -> Tensor");
  ops.method<[](const Tensor& x, const std::string& f) { return contiguous(x, f); }>(
      "contiguous(Tensor input, str memory_format='contiguous_format') -> Tensor");
  ops.method<&is_contiguous>("is_contiguous(Tensor input, str memory_format='contiguous_format') -> bool");

  // In place.
  ops.method<twin<"tril_", &tril>>("tril_(Tensor input, int diagonal=0) -> Tensor");
  ops.method<twin<"triu_", &triu>>("triu_(Tensor input, int diagonal=0) -> Tensor");
  ops.method<&squeeze_>("squeeze_(Tensor input, int[1]? dim=None) -> Tensor");
  ops.method<&unsqueeze_>("unsqueeze_(Tensor input, int dim) -> Tensor");
  ops.method<&transpose_>("transpose_(Tensor input, int dim0, int dim1) -> Tensor");
  ops.method<&transpose_>("swapaxes_(Tensor input, int axis0, int axis1) -> Tensor");
  ops.same("swapdims_", "transpose_");
  ops.method<&t_>("t_(Tensor input) -> Tensor");
  ops.op<&as_strided_>("as_strided_(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor");
  ops.method<[](const Tensor& x, IntSpan size) -> Tensor {
    if (size == x.sizes()) return x;
    fail<NotImplementedError>("resize_: tensors don't change their number of elements; use reshape, or a new tensor");
  }>("resize_(Tensor input, int... size) -> Tensor");
}

}  // namespace dlcore::bindings
