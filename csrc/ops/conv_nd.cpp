// Convolutions of 1, 2 and 3 dimensions and their transposes: arguments, and how 1 and 3 dimensions are made of 2.
#include "dlcore/backends.h"
#include "dlcore/ops/nn.h"
#include "ops/conv.h"

namespace dlcore {
namespace {

struct ConvOp {
  const char* name;
  int64_t spatial;  // dimensions
  bool transposed;
  bool relu = false;  // of the result; not in three dimensions, not transposed
};

const ConvOp kConv2d{"conv2d", 2, false};

const char* const kAxes[] = {"", "L", "H, W", "D, H, W"};
const char* const kKernelAxes[] = {"", "kW", "kH, kW", "kD, kH, kW"};

// The arguments of one call, checked, a number for each dimension.
struct ConvArguments {
  Dims stride, padding, dilation, output_padding;
};

constexpr int64_t kMost = int64_t{1} << 40;  // sums of a few of these don't overflow

Dims each_axis(const ConvOp& op, const char* what, IntSpan values, int64_t least) {
  DLCORE_CHECK(values.size() == 1 || values.size() == op.spatial, RuntimeError, op.name, ": ", what,
               " must be one number or ", op.spatial, ", but got ", values);
  Dims all(op.spatial, values[0]);
  for (int64_t d = 0; d < op.spatial; ++d) {
    if (values.size() > 1) all[d] = values[d];
    DLCORE_CHECK(all[d] >= least, RuntimeError, op.name, ": ", what, " must be ",
                 least == 0 ? "non-negative" : "positive", ", but got ", values);
    DLCORE_CHECK(what[0] != 'p' || all[d] <= int64_t{1} << 61, RuntimeError, op.name, ": ", what, " is too large, got ",
                 values);
  }
  return all;
}

void check_tensors(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t groups) {
  const int64_t n = op.spatial;
  const char *axes = kAxes[n], *kernel_axes = kKernelAxes[n];
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, op.name,
               ": input must be a floating point tensor, but got ", name(input.dtype()));
  DLCORE_CHECK(input.dim() == n + 1 || input.dim() == n + 2, RuntimeError, op.name, ": input must have shape (N, C, ",
               axes, ") or (C, ", axes, "); expected ", n + 1, " or ", n + 2, " dimensions but got shape ",
               input.sizes());
  const std::string form = op.transposed ? std::string("(in_channels, out_channels/groups, ") + kernel_axes + ")"
                                         : std::string("(out_channels, in_channels/groups, ") + kernel_axes + ")";
  DLCORE_CHECK(weight.dim() == n + 2, RuntimeError, op.name, ": weight must have shape ", form, "; expected ", n + 2,
               " dimensions but got shape ", weight.sizes());
  DLCORE_CHECK(weight.dtype() == input.dtype(), RuntimeError, op.name,
               ": weight must have the input's dtype; expected ", name(input.dtype()), " but got ",
               name(weight.dtype()));
  DLCORE_CHECK(groups > 0, RuntimeError, op.name, ": groups must be positive, but got ", groups);
  const int64_t channels = input.size(-n - 1), rows = weight.size(0);
  DLCORE_CHECK(rows > 0 && rows % groups == 0, RuntimeError, op.name, ": weight's ",
               op.transposed ? "in_channels" : "out_channels",
               " must be a positive multiple of groups; expected a multiple of ", groups, " but got weight of shape ",
               weight.sizes());
  if (op.transposed)
    DLCORE_CHECK(channels == rows, RuntimeError, op.name, ": weight must have shape ", form,
                 "; expected in_channels = ", channels, " but got weight of shape ", weight.sizes());
  else
    DLCORE_CHECK(channels == weight.size(1) * groups, RuntimeError, op.name, ": weight must have shape ", form,
                 "; expected in_channels/groups = ", channels, "/", groups, " but got weight of shape ",
                 weight.sizes());
  for (int64_t d = 0; d < n; ++d) {
    DLCORE_CHECK(weight.size(2 + d) > 0, RuntimeError, op.name,
                 ": weight must have a kernel of at least one element, but got weight of shape ", weight.sizes());
    DLCORE_CHECK(input.size(-1 - d) > 0, RuntimeError, op.name,
                 ": only the batch and the channels of input may be empty, but got shape ", input.sizes());
  }
  if (!bias.defined()) return;
  const int64_t outputs = op.transposed ? weight.size(1) * groups : rows;
  DLCORE_CHECK(bias.dim() == 1 && bias.size(0) == outputs, RuntimeError, op.name,
               ": bias must have shape (out_channels); expected (", outputs, ",) but got ", bias.sizes());
  DLCORE_CHECK(bias.dtype() == input.dtype(), RuntimeError, op.name, ": bias must have the input's dtype; expected ",
               name(input.dtype()), " but got ", name(bias.dtype()));
}

// f on a batch, and its result in the input's form.
template <class F>
Tensor batched(const ConvOp& op, const Tensor& x, const F& f) {
  return x.dim() == op.spatial + 2 ? f(x) : squeeze(f(unsqueeze(x, 0)), IntSpan{0});
}

// The last two of the dimensions' numbers; one dimension has no height.
ConvAxes plane(const Dims& values, int64_t height) {
  return {values.size() > 1 ? values[values.size() - 2] : height, values.back()};
}

// x (n, c, d, h, w) cut into planes: those at depth first + o step for o < count, as (n count, c, h, w).
Tensor planes(const Tensor& x, int64_t first, int64_t step, int64_t count) {
  const Tensor cut = slice(x, 2, first, first + (count - 1) * step + 1, step);
  return flatten(transpose(cut, 1, 2), 0, 1);
}
Tensor volume(const Tensor& y, int64_t n, int64_t depth) { return transpose(unflatten(y, 0, {n, depth}), 1, 2); }

// (n, c, before + d + after, h, w), zeros around x.
Tensor pad_depth(const Tensor& x, int64_t before, int64_t after) {
  if (before == 0 && after == 0) return x;
  const auto blank = [&](int64_t depth) {
    Dims sizes = sizes_of(x);
    sizes[2] = depth;
    return zeros(sizes, x.dtype());
  };
  return cat({blank(before), x, blank(after)}, 2);
}

struct Sides {
  Dims front, total;
};

Sides equal_sides(const Dims& padding) {
  Sides sides{padding, padding};
  for (int64_t& t : sides.total) t *= 2;
  return sides;
}

// "same" or "valid"
Sides named_sides(const ConvOp& op, const std::string& padding, const Tensor& weight, const Dims& stride,
                  const Dims& dilation) {
  DLCORE_CHECK(padding == "same" || padding == "valid", RuntimeError, op.name,
               ": padding must be 'same', 'valid', or numbers; got '", padding, "'");
  Sides sides{Dims(op.spatial, 0), Dims(op.spatial, 0)};
  for (int64_t i = 0; i < op.spatial && padding == "same"; ++i) {
    DLCORE_CHECK(stride[i] == 1, RuntimeError, op.name, ": padding 'same' needs stride 1, but got ", stride);
    DLCORE_CHECK(!__builtin_mul_overflow(weight.size(2 + i) - 1, dilation[i], &sides.total[i]), RuntimeError, op.name,
                 ": dilation is too large, got ", dilation);
    sides.front[i] = sides.total[i] / 2;
  }
  return sides;
}

// y = sum over the kernel's planes of their convolutions with the planes of x that they meet.
Tensor convolve_volume(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                       const Dims& stride, const Sides& sides, const Dims& dilation, int64_t groups) {
  const int64_t n = input.size(0), taps = weight.size(2);
  const ConvAxes s{stride[1], stride[2]}, front{sides.front[1], sides.front[2]}, d{dilation[1], dilation[2]},
      total{sides.total[1], sides.total[2]};
  DLCORE_CHECK(sides.total[0] <= kMost && dilation[0] <= kMost / taps, RuntimeError, op.name,
               ": padding or dilation is too large");
  const int64_t reach = dilation[0] * (taps - 1), depth = input.size(2) + sides.total[0] - reach - 1;
  DLCORE_CHECK(depth >= 0, RuntimeError, op.name, ": the kernel must not be larger than the padded input; kernel ",
               weight.sizes(), " with dilation ", dilation[0], " on input ", input.sizes(), " with ", sides.total[0],
               " of padding in all");
  const Tensor x = pad_depth(input, sides.front[0], sides.total[0] - sides.front[0]);
  Tensor y;
  for (int64_t t = 0; t < taps; ++t) {
    const Tensor part = convolve(op.name, planes(x, t * dilation[0], stride[0], depth / stride[0] + 1),
                                 select(weight, 2, t), t == 0 ? bias : Tensor(), s, front, total, d, groups);
    y = t == 0 ? part : y + part;
  }
  return volume(y, n, depth / stride[0] + 1);
}

// Each plane of the kernel spreads the planes of x over those of y that it meets.
Tensor convolve_volume_transposed(const ConvOp& op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  const ConvArguments& a, int64_t groups) {
  const int64_t n = x.size(0), in = x.size(2), taps = weight.size(2), step = a.stride[0];
  const ConvAxes s{a.stride[1], a.stride[2]}, p{a.padding[1], a.padding[2]}, d{a.dilation[1], a.dilation[2]},
      more{a.output_padding[1], a.output_padding[2]};
  DLCORE_CHECK(step <= kMost / in && a.dilation[0] <= kMost / taps && a.padding[0] <= kMost, RuntimeError, op.name,
               ": stride, padding or dilation is too large");
  const int64_t full = (in - 1) * step + a.dilation[0] * (taps - 1) + 1 + a.output_padding[0];
  const int64_t out = full - 2 * a.padding[0];
  DLCORE_CHECK(out > 0, RuntimeError, op.name, ": the output must not be empty; input of shape ", x.sizes(),
               " with kernel ", weight.sizes(), " and padding ", a.padding[0]);
  Tensor y;
  for (int64_t t = 0; t < taps; ++t) {
    const Tensor part = volume(
        convolve_transposed(op.name, planes(x, 0, 1, in), select(weight, 2, t), {}, s, p, more, d, groups), n, in);
    if (t == 0) {
      Dims sizes = sizes_of(part);
      sizes[2] = full;
      y = zeros(sizes, part.dtype());
    }
    const int64_t first = t * a.dilation[0];
    add_(slice(y, 2, first, first + (in - 1) * step + 1, step), part);
  }
  y = narrow(y, 2, a.padding[0], out);
  return bias.defined() ? y + reshape(bias, {-1, 1, 1, 1}) : y;
}

Tensor convolution(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, const Dims& stride,
                   const Sides& sides, const Dims& dilation, int64_t groups) {
  return batched(op, input, [&](const Tensor& x) {
    if (op.spatial == 3) return convolve_volume(op, x, weight, bias, stride, sides, dilation, groups);
    const auto run = [&](const Tensor& image, const Tensor& kernel) {
      return convolve(op.name, image, kernel, bias, plane(stride, 1), plane(sides.front, 0), plane(sides.total, 0),
                      plane(dilation, 1), groups, op.relu);
    };
    return op.spatial == 2 ? run(x, weight) : squeeze(run(unsqueeze(x, 2), unsqueeze(weight, 2)), IntSpan{2});
  });
}

Tensor convolution(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                   IntSpan padding, IntSpan dilation, int64_t groups) {
  check_tensors(op, input, weight, bias, groups);
  const Dims s = each_axis(op, "stride", stride, 1);
  const Sides sides = equal_sides(each_axis(op, "padding", padding, 0));
  return convolution(op, input, weight, bias, s, sides, each_axis(op, "dilation", dilation, 1), groups);
}

Tensor convolution(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                   const std::string& padding, IntSpan dilation, int64_t groups) {
  check_tensors(op, input, weight, bias, groups);
  const Dims s = each_axis(op, "stride", stride, 1), d = each_axis(op, "dilation", dilation, 1);
  return convolution(op, input, weight, bias, s, named_sides(op, padding, weight, s, d), d, groups);
}

Tensor transposed(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                  IntSpan padding, IntSpan output_padding, int64_t groups, IntSpan dilation) {
  check_tensors(op, input, weight, bias, groups);
  const ConvArguments a{each_axis(op, "stride", stride, 1), each_axis(op, "padding", padding, 0),
                        each_axis(op, "dilation", dilation, 1), each_axis(op, "output_padding", output_padding, 0)};
  for (int64_t i = 0; i < op.spatial; ++i) {
    DLCORE_CHECK(a.output_padding[i] < std::max(a.stride[i], a.dilation[i]), RuntimeError, op.name,
                 ": output_padding must be smaller than either stride or dilation, but got output_padding ",
                 output_padding, ", stride ", stride, " and dilation ", dilation);
    DLCORE_CHECK(a.padding[i] <= kMost, RuntimeError, op.name, ": padding is too large, got ", padding);
  }
  return batched(op, input, [&](const Tensor& x) {
    if (op.spatial == 3) return convolve_volume_transposed(op, x, weight, bias, a, groups);
    const auto run = [&](const Tensor& image, const Tensor& kernel) {
      return convolve_transposed(op.name, image, kernel, bias, plane(a.stride, 1), plane(a.padding, 0),
                                 plane(a.output_padding, 0), plane(a.dilation, 1), groups);
    };
    return op.spatial == 2 ? run(x, weight) : squeeze(run(unsqueeze(x, 2), unsqueeze(weight, 2)), IntSpan{2});
  });
}

}  // namespace

Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
              IntSpan dilation, int64_t groups) {
  return convolution({"conv1d", 1, false}, input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  return convolution({"conv1d", 1, false}, input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv2d, input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv2d, input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d_act(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                  IntSpan dilation, int64_t groups, const std::string& activation) {
  DLCORE_CHECK(activation == "relu" || activation == "none", ValueError,
               "conv2d_act: activation must be 'relu' or 'none', but got '", activation, "'");
  return convolution({"conv2d_act", 2, false, activation == "relu"}, input, weight, bias, stride, padding, dilation,
                     groups);
}
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
              IntSpan dilation, int64_t groups) {
  return convolution({"conv3d", 3, false}, input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  return convolution({"conv3d", 3, false}, input, weight, bias, stride, padding, dilation, groups);
}

namespace {

// `sides`(stride, dilation): the padding.
template <class F>
std::string explain(const Tensor& input, const Tensor& weight, IntSpan stride, IntSpan dilation, int64_t groups,
                    const F& sides) {
  check_tensors(kConv2d, input, weight, {}, groups);
  const Dims s = each_axis(kConv2d, "stride", stride, 1), d = each_axis(kConv2d, "dilation", dilation, 1);
  const Sides padding = sides(s, d);
  return explain_convolution(kConv2d.name, input.dim() == 3 ? unsqueeze(input, 0) : input, weight, plane(s, 1),
                             plane(padding.front, 0), plane(padding.total, 0), plane(d, 1), groups);
}

}  // namespace

std::string explain_conv2d(const Tensor& input, const Tensor& weight, IntSpan stride, IntSpan padding, IntSpan dilation,
                           int64_t groups) {
  return explain(input, weight, stride, dilation, groups,
                 [&](const Dims&, const Dims&) { return equal_sides(each_axis(kConv2d, "padding", padding, 0)); });
}
std::string explain_conv2d(const Tensor& input, const Tensor& weight, IntSpan stride, const std::string& padding,
                           IntSpan dilation, int64_t groups) {
  return explain(input, weight, stride, dilation, groups,
                 [&](const Dims& s, const Dims& d) { return named_sides(kConv2d, padding, weight, s, d); });
}

Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                        IntSpan output_padding, int64_t groups, IntSpan dilation) {
  return transposed({"conv_transpose1d", 1, true}, input, weight, bias, stride, padding, output_padding, groups,
                    dilation);
}
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                        IntSpan output_padding, int64_t groups, IntSpan dilation) {
  return transposed({"conv_transpose2d", 2, true}, input, weight, bias, stride, padding, output_padding, groups,
                    dilation);
}
Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                        IntSpan output_padding, int64_t groups, IntSpan dilation) {
  return transposed({"conv_transpose3d", 3, true}, input, weight, bias, stride, padding, output_padding, groups,
                    dilation);
}

}  // namespace dlcore
