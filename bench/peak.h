#pragma once
#include <cstdint>
#include <string>

namespace dlcore::bench {

// Floating point operations a second of a loop of nothing but independent fused multiply-adds in a tier's widest
// registers (multiply, then add, on baseline), on as many threads as the library uses now. Measured on first use.
double peak_flops(const std::string& tier, bool float64);

// Bytes read and written a second by copies within a working set of that many bytes, on as many threads as the library
// uses now. Measured on first use.
double peak_bandwidth(int64_t bytes);

}  // namespace dlcore::bench
