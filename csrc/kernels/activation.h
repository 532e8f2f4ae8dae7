#pragma once
#include <cstdint>

namespace dlcore::kernel {

// What products and normalizations apply to their results: x, max(x, 0), min(max(x, 0), 6). NaN stays.
enum class Activation : uint8_t { None, Relu, Relu6 };

}  // namespace dlcore::kernel
