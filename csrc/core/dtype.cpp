#include "dlcore/dtype.h"

namespace dlcore {

const char* name(DType t) {
  constexpr const char* names[kNumDTypes] = {"float32", "float64", "bfloat16", "float16", "int8",
                                             "int16",   "int32",   "int64",    "uint8",   "bool"};
  return names[static_cast<int>(t)];
}

}  // namespace dlcore
