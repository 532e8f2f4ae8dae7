#include <cmath>

#include "ops/axis_map.h"

namespace dlcore {
namespace {

enum class Interpolation { Nearest, NearestExact, Linear, Cubic };

struct Axis {
  int64_t in, out;
  double scale;  // given, or 0
  bool align_corners, antialias;

  // Sources for one step of targets.
  double step() const {
    if (align_corners) return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
    return scale > 0 ? 1 / scale : static_cast<double>(in) / static_cast<double>(out);
  }
  double source(int64_t o) const {
    return align_corners ? step() * static_cast<double>(o) : step() * (static_cast<double>(o) + 0.5) - 0.5;
  }
};

// The rounding of T decides which element is nearest.
template <class T>
AxisList nearest(const Axis& axis, bool exact) {
  AxisList list(axis.in, axis.out);
  const T step = axis.scale > 0 ? static_cast<T>(1 / axis.scale) : static_cast<T>(axis.in) / static_cast<T>(axis.out);
  for (int64_t o = 0; o < axis.out; ++o) {
    const auto at = static_cast<int64_t>(std::floor((static_cast<T>(o) + (exact ? T(0.5) : T(0))) * step));
    list.add(std::min(std::max<int64_t>(at, 0), axis.in - 1));
    list.next();
  }
  return list;
}

// Keys' cubic convolution kernel.
double keys(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}
double triangle(double x) { return std::max(1 - std::abs(x), 0.0); }

// Elements beyond the borders count as the border's.
AxisList smooth(const Axis& axis, bool cubic) {
  AxisList list(axis.in, axis.out);
  for (int64_t o = 0; o < axis.out; ++o) {
    // As in PyTorch, linear modes do not look at a given scale that leaves the size.
    double s = axis.in == axis.out && !cubic ? static_cast<double>(o) : axis.source(o);
    if (!cubic) s = std::min(std::max(s, 0.0), static_cast<double>(axis.in - 1));
    const double floor = std::floor(s);
    for (int64_t k = cubic ? -1 : 0; k <= (cubic ? 2 : 1); ++k) {
      const double distance = s - floor - static_cast<double>(k);
      const double weight = cubic ? keys(distance, -0.75) : triangle(distance);
      if (weight == 0) continue;
      const auto place = static_cast<double>(k) + floor;
      list.add(static_cast<int64_t>(std::min(std::max(place, 0.0), static_cast<double>(axis.in - 1))), 0, weight);
    }
    list.next();
  }
  return list;
}

// The kernel as wide as a step, its weights brought to sum 1 over the elements that are there. As in PyTorch,
// align_corners changes the step but not where it begins.
AxisList smooth_wide(const Axis& axis, bool cubic) {
  AxisList list(axis.in, axis.out);
  const double step = axis.step(), wide = std::max(step, 1.0), support = (cubic ? 2 : 1) * wide;
  std::vector<double> weights;
  for (int64_t o = 0; o < axis.out; ++o) {
    const double center = step * (static_cast<double>(o) + 0.5);
    const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto last = std::min(static_cast<int64_t>(center + support + 0.5), axis.in);
    double total = 0;
    weights.clear();
    for (int64_t i = first; i < last; ++i) {
      const double distance = (static_cast<double>(i) - center + 0.5) / wide;
      weights.push_back(cubic ? keys(distance, -0.5) : triangle(distance));
      total += weights.back();
    }
    for (int64_t i = first; i < last; ++i) {
      const double weight = weights[static_cast<size_t>(i - first)];
      if (weight != 0) list.add(i, 0, weight / total);
    }
    list.next();
  }
  return list;
}

AxisList list_of(const Axis& axis, Interpolation mode, DType dtype) {
  switch (mode) {
    case Interpolation::Linear:
    case Interpolation::Cubic:
      return (axis.antialias ? smooth_wide : smooth)(axis, mode == Interpolation::Cubic);
    default:
      return (dtype == DType::Float64 ? nearest<double> : nearest<float>)(axis, mode == Interpolation::NearestExact);
  }
}

Interpolation interpolation(const std::string& mode) {
  if (mode == "nearest") return Interpolation::Nearest;
  if (mode == "nearest-exact") return Interpolation::NearestExact;
  if (mode == "linear") return Interpolation::Linear;
  DLCORE_CHECK(mode == "cubic", ValueError,
               "interpolate: mode must be nearest, nearest-exact, linear or cubic, but got ", mode);
  return Interpolation::Cubic;
}

}  // namespace

Tensor interpolate(const Tensor& x, IntSpan output_size, const std::string& mode, bool align_corners,
                   const std::vector<double>& scales, bool antialias) {
  const Interpolation known = interpolation(mode);
  const int64_t spatial = output_size.size();
  DLCORE_CHECK(
      spatial >= 1 && spatial <= 3 && x.dim() == spatial + 2, RuntimeError,
      "interpolate: input must have shape (N, C, spatial...) with one number of output_size for each of 1 to 3 "
      "spatial dimensions; got shape ",
      x.sizes(), " and output_size ", output_size);
  for (int64_t i = 0; i < spatial; ++i)
    DLCORE_CHECK(x.size(2 + i) > 0 && output_size[i] > 0, RuntimeError,
                 "interpolate: input and output sizes should be greater than 0, but got input of shape ", x.sizes(),
                 " and output_size ", output_size);
  DLCORE_CHECK(x.size(1) > 0, RuntimeError, "interpolate: only the batch of input may be empty, but got shape ",
               x.sizes());
  const bool bytes =
      x.dtype() == DType::UInt8 && (known == Interpolation::Nearest || known == Interpolation::NearestExact);
  DLCORE_CHECK(is_floating(x.dtype()) || bytes, NotImplementedError, "interpolate: input must be floating point",
               " (or uint8, with mode nearest), but got ", name(x.dtype()));
  DLCORE_CHECK(scales.empty() || static_cast<int64_t>(scales.size()) == spatial, ValueError,
               "interpolate: scales must have ", spatial, " numbers but got ", scales.size());
  checked_numel("interpolate", output_size);
  const Tensor from = bytes ? to_dtype(x, DType::Float32) : x;
  const Tensor y =
      resample("interpolate", from, make_axes(x, [&](int64_t i) {
                 const double scale = scales.empty() ? 0 : scales[static_cast<size_t>(i)];
                 return list_of({x.size(2 + i), output_size[i], scale, align_corners, antialias}, known, from.dtype());
               }));
  return to_dtype(y, x.dtype());
}

}  // namespace dlcore
