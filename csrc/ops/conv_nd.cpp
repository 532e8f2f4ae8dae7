// Convolutions of 1, 2 and 3 dimensions and their transposes: arguments, and how 1 and 3 dimensions are made of 2.
#include <algorithm>
#include <cmath>

#include "dlcore/backends.h"
#include "dlcore/ops/nn.h"
#include "ops/conv.h"

namespace dlcore {
namespace {

using kernel::Activation;

struct ConvOp {
  const char* name;
  int64_t spatial;  // dimensions
  bool transposed;
  Activation act = Activation::None;  // of the result; not in three dimensions, not transposed
};

const ConvOp kConv[] = {{}, {"conv1d", 1, false}, {"conv2d", 2, false}, {"conv3d", 3, false}};
const ConvOp kTransposed[] = {
    {}, {"conv_transpose1d", 1, true}, {"conv_transpose2d", 2, true}, {"conv_transpose3d", 3, true}};

const char* const kAxes[] = {"", "L", "H, W", "D, H, W"};
const char* const kKernelAxes[] = {"", "kW", "kH, kW", "kD, kH, kW"};

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

// The arguments of one call, checked, a number for each dimension.
struct Sides {
  Dims front, total;
};
struct ConvArguments {
  Dims stride;
  Sides sides;
  Dims dilation;
};
struct TransposedArguments {
  Dims stride, padding, dilation, output_padding;
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

// The depth of y.
int64_t depth_of(const ConvOp& op, IntSpan x, IntSpan weight, const ConvArguments& a) {
  const int64_t taps = weight[2], padding = a.sides.total[0], dilation = a.dilation[0];
  DLCORE_CHECK(padding <= kMost && dilation <= kMost / taps, RuntimeError, op.name,
               ": padding or dilation is too large");
  const int64_t room = x[2] + padding - dilation * (taps - 1) - 1;
  DLCORE_CHECK(room >= 0, RuntimeError, op.name, ": the kernel must not be larger than the padded input; kernel ",
               weight, " with dilation ", dilation, " on input ", x, " with ", padding, " of padding in all");
  return room / a.stride[0] + 1;
}

// y = sum over the kernel's planes of their convolutions with the planes of x that they meet.
Tensor convolve_volume(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                       const ConvArguments& a, int64_t groups) {
  const int64_t depth = depth_of(op, input.sizes(), weight.sizes(), a);
  const Tensor x = pad_depth(input, a.sides.front[0], a.sides.total[0] - a.sides.front[0]);
  Tensor y;
  for (int64_t t = 0; t < weight.size(2); ++t) {
    const Tensor part = convolve(op.name, planes(x, t * a.dilation[0], a.stride[0], depth), select(weight, 2, t),
                                 t == 0 ? bias : Tensor(), plane(a.stride, 1), plane(a.sides.front, 0),
                                 plane(a.sides.total, 0), plane(a.dilation, 1), groups);
    y = t == 0 ? part : y + part;
  }
  return volume(y, input.size(0), depth);
}

int64_t depth_of(const ConvOp& op, IntSpan x, IntSpan weight, const TransposedArguments& a) {
  const int64_t taps = weight[2], padding = a.padding[0];
  DLCORE_CHECK(a.stride[0] <= kMost / x[2] && a.dilation[0] <= kMost / taps && padding <= kMost, RuntimeError, op.name,
               ": stride, padding or dilation is too large");
  const int64_t out = (x[2] - 1) * a.stride[0] + a.dilation[0] * (taps - 1) + 1 + a.output_padding[0] - 2 * padding;
  DLCORE_CHECK(out > 0, RuntimeError, op.name, ": the output must not be empty; input of shape ", x, " with kernel ",
               weight, " and padding ", padding);
  return out;
}

// Each plane of the kernel spreads the planes of x over those of y that it meets.
Tensor convolve_volume_transposed(const ConvOp& op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  const TransposedArguments& a, int64_t groups) {
  const int64_t n = x.size(0), in = x.size(2), step = a.stride[0];
  const int64_t out = depth_of(op, x.sizes(), weight.sizes(), a);
  Tensor y;
  for (int64_t t = 0; t < weight.size(2); ++t) {
    const Tensor part =
        volume(convolve_transposed(op.name, planes(x, 0, 1, in), select(weight, 2, t), {}, plane(a.stride, 1),
                                   plane(a.padding, 0), plane(a.output_padding, 0), plane(a.dilation, 1), groups),
               n, in);
    if (t == 0) {
      Dims sizes = sizes_of(part);
      sizes[2] = out + 2 * a.padding[0];
      y = zeros(sizes, part.dtype());
    }
    const int64_t first = t * a.dilation[0];
    add_(slice(y, 2, first, first + (in - 1) * step + 1, step), part);
  }
  y = narrow(y, 2, a.padding[0], out);
  return bias.defined() ? y + reshape(bias, {-1, 1, 1, 1}) : y;
}

ConvArguments arguments(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                        IntSpan padding, IntSpan dilation, int64_t groups) {
  check_tensors(op, input, weight, bias, groups);
  return {each_axis(op, "stride", stride, 1), equal_sides(each_axis(op, "padding", padding, 0)),
          each_axis(op, "dilation", dilation, 1)};
}
ConvArguments arguments(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                        const std::string& padding, IntSpan dilation, int64_t groups) {
  check_tensors(op, input, weight, bias, groups);
  const Dims s = each_axis(op, "stride", stride, 1), d = each_axis(op, "dilation", dilation, 1);
  return {s, named_sides(op, padding, weight, s, d), d};
}
TransposedArguments arguments(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                              IntSpan stride, IntSpan padding, IntSpan output_padding, int64_t groups,
                              IntSpan dilation) {
  check_tensors(op, input, weight, bias, groups);
  const TransposedArguments a{each_axis(op, "stride", stride, 1), each_axis(op, "padding", padding, 0),
                              each_axis(op, "dilation", dilation, 1),
                              each_axis(op, "output_padding", output_padding, 0)};
  for (int64_t i = 0; i < op.spatial; ++i) {
    DLCORE_CHECK(a.output_padding[i] < std::max(a.stride[i], a.dilation[i]), RuntimeError, op.name,
                 ": output_padding must be smaller than either stride or dilation, but got output_padding ",
                 output_padding, ", stride ", stride, " and dilation ", dilation);
    DLCORE_CHECK(a.padding[i] <= kMost, RuntimeError, op.name, ": padding is too large, got ", padding);
  }
  return a;
}

template <class Padding>  // IntSpan or std::string
Tensor convolution(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                   const Padding& padding, IntSpan dilation, int64_t groups) {
  const ConvArguments a = arguments(op, input, weight, bias, stride, padding, dilation, groups);
  return batched(op, input, [&](const Tensor& x) {
    if (op.spatial == 3) return convolve_volume(op, x, weight, bias, a, groups);
    const auto run = [&](const Tensor& image, const Tensor& kernel) {
      return convolve(op.name, image, kernel, bias, plane(a.stride, 1), plane(a.sides.front, 0),
                      plane(a.sides.total, 0), plane(a.dilation, 1), groups, op.act);
    };
    return op.spatial == 2 ? run(x, weight) : squeeze(run(unsqueeze(x, 2), unsqueeze(weight, 2)), IntSpan{2});
  });
}

Tensor transposed(const ConvOp& op, const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                  IntSpan padding, IntSpan output_padding, int64_t groups, IntSpan dilation) {
  const TransposedArguments a = arguments(op, input, weight, bias, stride, padding, output_padding, groups, dilation);
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
  return convolution(kConv[1], input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv[1], input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv[2], input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv[2], input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv2d_act(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                  IntSpan dilation, int64_t groups, const std::string& activation) {
  return convolution({"conv2d_act", 2, false, activation_of("conv2d_act", activation)}, input, weight, bias, stride,
                     padding, dilation, groups);
}
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv[3], input, weight, bias, stride, padding, dilation, groups);
}
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  return convolution(kConv[3], input, weight, bias, stride, padding, dilation, groups);
}

namespace {

// Of a convolution, x with its batch.
struct Shapes {
  Dims x, weight;
};
Shapes with_batch(const ConvOp& op, const Tensor& input, const Tensor& weight) {
  Shapes s{sizes_of(input), sizes_of(weight)};
  if (s.x.size() == op.spatial + 1) s.x.insert(0, 1);
  return s;
}
// Those of the images and of a kernel's plane; of a volume, `planes` are convolved at a time.
Shapes in_two_dimensions(Shapes s, int64_t planes) {
  if (s.x.size() == 3) s.x.insert(2, 1), s.weight.insert(2, 1);
  if (s.x.size() == 5) {
    s.x = {s.x[0] * planes, s.x[1], s.x[3], s.x[4]};
    s.weight = {s.weight[0], s.weight[1], s.weight[3], s.weight[4]};
  }
  return s;
}

// `depth`: of the result in three dimensions.
std::string explain(const ConvOp& op, const Shapes& s, int64_t depth, const ConvPlan& p) {
  const Dims& plane = op.transposed ? p.x : p.y;
  const int64_t count = op.spatial == 3 ? s.weight[2] : 1;
  Dims y{s.x[0], plane[1]};
  if (op.spatial == 3) y.push_back(depth);
  for (int64_t d = op.spatial == 1 ? 3 : 2; d < 4; ++d) y.push_back(plane[d]);
  std::string run_as;
  if (op.spatial != 2 || op.transposed)
    run_as = format("run as: ", count > 1 ? format(count, " times ") : "", op.transposed ? "gradient of input of " : "",
                    "conv2d of ", p.x, " by ", p.weight, " to ", p.y, count > 1 ? ", added up\n" : "\n");
  const auto millions = [&](double x) { return std::llround(x * static_cast<double>(count) / 1e6); };
  return format(op.name, ": ", s.x, " by ", s.weight, " to ", y, ", ", name(p.dtype), ", ", millions(p.cost.flops),
                " MFLOP and ", millions(p.cost.bytes), " MB forward\n", run_as, p.kernels);
}

const ConvOp& op_of(const ConvOp* ops, const Tensor& weight) {
  DLCORE_CHECK(weight.dim() >= 3 && weight.dim() <= 5, RuntimeError,
               "explain: weight must have 3, 4 or 5 dimensions, as a convolution's of 1, 2 or 3, but got shape ",
               weight.sizes());
  return ops[weight.dim() - 2];
}

template <class Padding>
std::string explain(const Tensor& input, const Tensor& weight, IntSpan stride, const Padding& padding, IntSpan dilation,
                    int64_t groups) {
  const ConvOp& op = op_of(kConv, weight);
  const ConvArguments a = arguments(op, input, weight, {}, stride, padding, dilation, groups);
  const Shapes s = with_batch(op, input, weight);
  const int64_t depth = op.spatial == 3 ? depth_of(op, s.x, s.weight, a) : 1;
  const Shapes images = in_two_dimensions(s, depth);
  return explain(op, s, depth,
                 plan_convolution(op.name, input.dtype(), images.x, images.weight, plane(a.stride, 1),
                                  plane(a.sides.front, 0), plane(a.sides.total, 0), plane(a.dilation, 1), groups));
}

}  // namespace

std::string explain_convolution(const Tensor& input, const Tensor& weight, IntSpan stride, IntSpan padding,
                                IntSpan dilation, int64_t groups) {
  return explain(input, weight, stride, padding, dilation, groups);
}
std::string explain_convolution(const Tensor& input, const Tensor& weight, IntSpan stride, const std::string& padding,
                                IntSpan dilation, int64_t groups) {
  return explain(input, weight, stride, padding, dilation, groups);
}
std::string explain_transposed_convolution(const Tensor& input, const Tensor& weight, IntSpan stride, IntSpan padding,
                                           IntSpan output_padding, int64_t groups, IntSpan dilation) {
  const ConvOp& op = op_of(kTransposed, weight);
  const TransposedArguments a = arguments(op, input, weight, {}, stride, padding, output_padding, groups, dilation);
  const Shapes s = with_batch(op, input, weight);
  const int64_t depth = op.spatial == 3 ? depth_of(op, s.x, s.weight, a) : 1;
  const Shapes images = in_two_dimensions(s, s.x[2]);
  return explain(op, s, depth,
                 plan_transposed(op.name, input.dtype(), images.x, images.weight, plane(a.stride, 1),
                                 plane(a.padding, 0), plane(a.output_padding, 0), plane(a.dilation, 1), groups));
}

Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                        IntSpan output_padding, int64_t groups, IntSpan dilation) {
  return transposed(kTransposed[1], input, weight, bias, stride, padding, output_padding, groups, dilation);
}
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                        IntSpan output_padding, int64_t groups, IntSpan dilation) {
  return transposed(kTransposed[2], input, weight, bias, stride, padding, output_padding, groups, dilation);
}
Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
                        IntSpan output_padding, int64_t groups, IntSpan dilation) {
  return transposed(kTransposed[3], input, weight, bias, stride, padding, output_padding, groups, dilation);
}

}  // namespace dlcore
