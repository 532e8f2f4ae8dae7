#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

}  // namespace dlcore
