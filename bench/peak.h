#pragma once
#include <string>

namespace dlcore::bench {

// Floating point operations a second of a loop of nothing but independent fused multiply-adds in a tier's widest
// registers (multiply, then add, on baseline), on as many threads as the library uses now. Measured on first use.
double peak_flops(const std::string& tier, bool float64);

}  // namespace dlcore::bench
