// Convolution forward and forward + backward, GFLOP/s and share of the multiply-add peak.
#include "dlcore/dlcore.h"
#include "op.h"

namespace {

using namespace dlcore;
using bench::add_op;

struct Shape {
  const char* name;
  int64_t batch, in, size, out, kernel, stride, padding, groups;
  int winograd = 1;  // set_winograd_enabled
};
// Each of the paths of docs/convolution.md.
const Shape kShapes[] = {
    {"LeNet 1", 64, 1, 28, 6, 5, 1, 2, 1},
    {"LeNet 2", 64, 6, 14, 16, 5, 1, 0, 1},
    {"stem 7x7", 8, 3, 112, 64, 7, 2, 3, 1},
    {"3x3", 8, 64, 56, 64, 3, 1, 1, 1},
    {"3x3", 8, 64, 56, 64, 3, 1, 1, 1, 2},
    {"3x3", 8, 64, 56, 64, 3, 1, 1, 1, 0},
    {"3x3", 8, 256, 14, 256, 3, 1, 1, 1},
    {"3x3", 8, 256, 14, 256, 3, 1, 1, 1, 2},
    {"3x3", 8, 256, 14, 256, 3, 1, 1, 1, 0},
    {"3x3", 1, 512, 7, 512, 3, 1, 1, 1},
    {"3x3 stride 2", 8, 128, 28, 256, 3, 2, 1, 1},
    {"1x1", 8, 256, 28, 64, 1, 1, 0, 1},
    {"1x1", 1, 1024, 14, 256, 1, 1, 0, 1},
    {"1x1 few", 8, 16, 28, 24, 1, 1, 0, 1},
    {"depthwise 3x3", 8, 128, 28, 128, 3, 1, 1, 128},
    {"grouped 3x3", 8, 128, 28, 128, 3, 1, 1, 8},
};

// The kernels that run forward, in explain_convolution's words.
std::string path(const Shape& s) {
  const std::string text =
      explain_convolution(empty({s.batch, s.in, s.size, s.size}), empty({s.out, s.in / s.groups, s.kernel, s.kernel}),
                          {s.stride}, IntSpan{s.padding}, {1}, s.groups);
  const size_t from = text.find("forward: ") + 9;
  return text.substr(from, text.find('\n', from) - from);
}

const int registered = [] {
  for (const Shape& s : kShapes) {
    const int64_t out = (s.size + 2 * s.padding - s.kernel) / s.stride + 1;
    const double flops = 2.0 * static_cast<double>(s.batch * s.out * out * out) *
                         static_cast<double>(s.in / s.groups * s.kernel * s.kernel);
    const std::string shape = std::string(s.name) + " " + std::to_string(s.batch) + "x" + std::to_string(s.in) + "x" +
                              std::to_string(s.size) + "x" + std::to_string(s.size) + " to " + std::to_string(s.out);
    set_winograd_enabled(s.winograd);
    const std::string name = shape + " (" + path(s) + ")";
    set_winograd_enabled(1);
    const auto call = [=](const Tensor& x, const Tensor& w) {
      set_winograd_enabled(s.winograd);
      return conv2d(x, w, Tensor(), {s.stride}, IntSpan{s.padding}, {1}, s.groups);
    };
    const auto inputs = [=](bool grad) {
      Tensor x = randn({s.batch, s.in, s.size, s.size});
      Tensor w = randn({s.out, s.in / s.groups, s.kernel, s.kernel});
      x.set_requires_grad(grad);
      w.set_requires_grad(grad);
      return std::pair{x, w};
    };
    add_op("conv/forward/" + name, {.flops = flops},
           [=] { return [=, xw = inputs(false)] { call(xw.first, xw.second); }; });
    add_op("conv/forward and backward/" + name, {.flops = 3 * flops}, [=] {
      const auto xw = inputs(true);
      const Tensor dy = randn({s.batch, s.out, out, out});
      return [=] { grad(TensorList{call(xw.first, xw.second)}, {xw.first, xw.second}, {dy}); };
    });
  }
  return 0;
}();

}  // namespace
