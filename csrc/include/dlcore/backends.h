#pragma once
#include "dlcore/export.h"

namespace dlcore {

// Whether float32 convolutions of 3x3 and stride 1 may use Winograd's tiles (docs/convolution.md), which round more
// coarsely; DLCORE_WINOGRAD=0 in the environment starts with no.
DLCORE_API bool winograd_enabled();
DLCORE_API void set_winograd_enabled(bool enabled);

}  // namespace dlcore
