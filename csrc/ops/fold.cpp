#include "ops/axis_map.h"

// Unfolding is a list an axis, too: the targets (tap, window) of an axis show one element each, or padding. The two
// axes' taps then only have to come together in front of their windows.
namespace dlcore {
namespace {

struct Side {
  int64_t size, taps, dilation, pad, stride, windows;
};
struct Sides {
  Side h, w;
};

struct Arguments {
  const char* op;
  IntSpan kernel_size, dilation, padding, stride;
};

Sides sides_of(IntSpan image, const Arguments& a) {
  const auto number = [&](const char* what, IntSpan values, size_t i, int64_t least) {
    DLCORE_CHECK(values.size() == 1 || values.size() == 2, RuntimeError, a.op, ": ", what,
                 " must be one number or two, but got ", values);
    const int64_t v = i == 0 ? values[0] : values.back();
    DLCORE_CHECK(v >= least && v < int64_t{1} << 31, RuntimeError, a.op, ": ", what, " must be at least ", least,
                 " and below 2^31, but got ", values);
    return v;
  };
  const auto side = [&](size_t i) {
    Side s{image[static_cast<int64_t>(i)],       number("kernel_size", a.kernel_size, i, 1),
           number("dilation", a.dilation, i, 1), number("padding", a.padding, i, 0),
           number("stride", a.stride, i, 1),     0};
    const int64_t space = s.size + 2 * s.pad - s.dilation * (s.taps - 1) - 1;
    DLCORE_CHECK(space >= 0, RuntimeError, a.op, ": there must be a window; an image of ", image, " with kernel_size ",
                 a.kernel_size, ", dilation ", a.dilation, " and padding ", a.padding, " has none");
    s.windows = space / s.stride + 1;
    return s;
  };
  const Sides sides{side(0), side(1)};
  checked_numel(a.op, {sides.h.taps, sides.h.windows, sides.w.taps, sides.w.windows});
  return sides;
}

// Only the dimensions before `first` may be empty.
void check_filled(const char* op, const Tensor& x, int64_t first) {
  for (int64_t dim = first; dim < x.dim(); ++dim)
    DLCORE_CHECK(x.size(dim) > 0, RuntimeError, op, ": only the batch of input may be empty, but got shape ",
                 x.sizes());
}

AxisList list_of(const Side& s) {
  AxisList list(s.size, s.taps * s.windows);
  for (int64_t tap = 0; tap < s.taps; ++tap)
    for (int64_t i = 0; i < s.windows; ++i) {
      const int64_t place = i * s.stride + tap * s.dilation - s.pad;
      if (place >= 0 && place < s.size) list.add(place);
      list.next();
    }
  return list;
}

Axes axes_of(const Sides& s) { return {AxisList::identity(1), list_of(s.h), list_of(s.w)}; }

}  // namespace

Tensor im2col(const Tensor& input, IntSpan kernel_size, IntSpan dilation, IntSpan padding, IntSpan stride) {
  DLCORE_CHECK(input.dim() == 3 || input.dim() == 4, RuntimeError,
               "unfold: input must have shape (N, C, H, W) or (C, H, W), but got ", input.sizes());
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, "unfold: input must be floating point, but got ",
               name(input.dtype()));
  check_filled("unfold", input, input.dim() - 3);
  return on_batch(input, 2, [&](const Tensor& x) {
    const Sides s = sides_of({x.size(2), x.size(3)}, {"unfold", kernel_size, dilation, padding, stride});
    const int64_t n = x.size(0), c = x.size(1);
    const Tensor apart = reshape(resample("unfold", x, axes_of(s), Layout::ChannelsFirst),
                                 {n, c, s.h.taps, s.h.windows, s.w.taps, s.w.windows});
    return reshape(permute(apart, {0, 1, 2, 4, 3, 5}), {n, c * s.h.taps * s.w.taps, s.h.windows * s.w.windows});
  });
}

Tensor col2im(const Tensor& input, IntSpan output_size, IntSpan kernel_size, IntSpan dilation, IntSpan padding,
              IntSpan stride) {
  DLCORE_CHECK(input.dim() == 2 || input.dim() == 3, RuntimeError,
               "fold: input must have shape (N, C kh kw, windows) or (C kh kw, windows), but got ", input.sizes());
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, "fold: input must be floating point, but got ",
               name(input.dtype()));
  check_filled("fold", input, input.dim() - 2);
  DLCORE_CHECK(output_size.size() == 1 || output_size.size() == 2, RuntimeError,
               "fold: output_size must be one number or two, but got ", output_size);
  const Dims image{output_size[0], output_size.back()};
  const Sides s = sides_of(image, {"fold", kernel_size, dilation, padding, stride});
  return on_batch(input, 1, [&](const Tensor& x) {
    const int64_t n = x.size(0), taps = s.h.taps * s.w.taps, windows = s.h.windows * s.w.windows;
    DLCORE_CHECK(x.size(1) % taps == 0, RuntimeError, "fold: input's dimension 1 must be divisible by the product of ",
                 "kernel_size ", kernel_size, ", but got shape ", input.sizes());
    DLCORE_CHECK(x.size(2) == windows, RuntimeError, "fold: input must have ", windows, " windows (", s.h.windows,
                 " * ", s.w.windows, ") in its last dimension, but got shape ", input.sizes());
    const int64_t c = x.size(1) / taps;
    const Tensor apart = reshape(x, {n, c, s.h.taps, s.w.taps, s.h.windows, s.w.windows});
    return resample("fold",
                    reshape(permute(apart, {0, 1, 2, 4, 3, 5}), {n, c, s.h.taps * s.h.windows, s.w.taps * s.w.windows}),
                    transposed(axes_of(s)), Layout::ChannelsFirst);
  });
}

}  // namespace dlcore
