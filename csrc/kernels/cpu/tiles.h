#pragma once
// Conversion between memory and dense rows (kernels/elementwise.h), for kernels that take any dtype and stride.
#include "kernels/elementwise.h"

namespace dlcore::kernel::DLCORE_TIER {

LoadTile elementwise_load(DType storage, DType compute);
StoreTile elementwise_store(DType compute, DType storage);

}  // namespace dlcore::kernel::DLCORE_TIER
