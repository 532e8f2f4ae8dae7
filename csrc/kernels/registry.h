#pragma once
#include <string>
#include <vector>

#include "kernels/list.h"

namespace dlcore {

// The kernels of the tier in use: the best one that this CPU runs, or the one that DLCORE_ISA names.
DLCORE_API const KernelTable& kernels();

// Tiers compiled in, and those of them that this CPU and operating system can run, slowest first.
DLCORE_API std::vector<std::string> compiled_tiers();
DLCORE_API std::vector<std::string> available_tiers();

// The table of one tier, for tests; throws if the machine cannot run it.
DLCORE_API const KernelTable& kernels(const std::string& tier);

}  // namespace dlcore
