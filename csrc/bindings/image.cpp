#include "dlcore/ops/image.h"

#include "bindings/op.h"

namespace dlcore::bindings {

void bind_image(Ops& ops) {
  ops.function<&pad>("pad(Tensor input, int[] pad, str mode=\"constant\", Number? value=None) -> Tensor");
  ops.function<[](const Tensor& x, IntSpan size, const std::string& mode, bool align_corners,
                  std::optional<double> scale0, std::optional<double> scale1, std::optional<double> scale2,
                  bool antialias) {
    std::vector<double> scales;
    for (const auto& scale : {scale0, scale1, scale2})
      if (scale) scales.push_back(*scale);
    return interpolate(x, size, mode, align_corners, scales, antialias);
  }>("interpolate(Tensor input, int[] size, str mode, bool align_corners=False, float? scale0=None, "
     "float? scale1=None, float? scale2=None, bool antialias=False) -> Tensor");
  ops.function<&grid_sample>(
      "grid_sample(Tensor input, Tensor grid, str mode=\"bilinear\", str padding_mode=\"zeros\", "
      "bool align_corners=False) -> Tensor");
  ops.function<&im2col>(
      "im2col(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1) -> Tensor");
  ops.function<&col2im>(
      "col2im(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, "
      "int[2] stride=1) -> Tensor");
}

}  // namespace dlcore::bindings
