// Normalization forward and forward + backward, GB/s against a copy of as many bytes. The bytes are those that cannot
// be avoided where x does not stay in a cache: forward two reads and a write, backward two reads of x and dy and a
// write.
#include <vector>

#include "dlcore/dlcore.h"
#include "op.h"

namespace {

using namespace dlcore;
using bench::add_op;
using Sizes = std::vector<int64_t>;

template <class F>
void add(const std::string& name, const Sizes& sizes, int passes, bool channels_last, F f) {
  double elements = 1;
  for (const int64_t size : sizes) elements *= static_cast<double>(size);
  const auto tensor = [=] {
    const Tensor x = randn(sizes);
    return channels_last ? movedim(contiguous(movedim(x, {1}, {-1})), {-1}, {1}) : x;
  };
  add_op("norm/forward/" + name, {.bytes = 4 * passes * elements}, [=] { return [=, x = tensor()] { f(x); }; });
  add_op("norm/forward and backward/" + name, {.bytes = 4 * (passes + 2 * passes - 1) * elements}, [=] {
    Tensor x = tensor();
    x.set_requires_grad(true);
    const Tensor dy = tensor();
    return [=] { grad(TensorList{f(x)}, {x}, {dy}); };
  });
}

const int registered = [] {
  const auto batch = [](const Tensor& x) { return batch_norm(x, {}, {}, {}, {}, true); };
  for (const bool channels_last : {false, true}) {
    const std::string order = channels_last ? ", channels-last" : "";
    for (const Sizes& sizes : {Sizes{8, 64, 56, 56}, Sizes{8, 512, 7, 7}})
      add("batch " + std::to_string(sizes[1]) + "x" + std::to_string(sizes[2]) + order, sizes, 3, channels_last, batch);
    add("batch and relu 64x56" + order, {8, 64, 56, 56}, 3, channels_last,
        [](const Tensor& x) { return batch_norm_act(x, {}, {}, {}, {}, true); });
    add("group 64x56" + order, {8, 64, 56, 56}, 2, channels_last, [](const Tensor& x) { return group_norm(x, 32); });
    add("local response 64x27" + order, {8, 64, 27, 27}, 2, channels_last,
        [](const Tensor& x) { return local_response_norm(x, 5); });
  }
  add("layer 4096x512", {4096, 512}, 2, false, [](const Tensor& x) { return layer_norm(x, {512}); });
  add("rms 4096x512", {4096, 512}, 2, false, [](const Tensor& x) { return rms_norm(x, {512}); });
  return 0;
}();

}  // namespace
