#pragma once
#include <functional>
#include <string>

namespace dlcore::bench {

// A benchmark of one op in the tier that the library runs in (DLCORE_ISA chooses), with 1 thread and with all of them:
// GB/s and its share of a copy's, or GFLOP/s and its share of the multiply-add peak.
//
//   add_op("reduce/sum", {.bytes = 4 << 20}, [] { return [x = normal({1 << 20})] { return sum(x); }; });
struct Work {
  double bytes = 0;  // read and written
  double flops = 0;
};
using Call = std::function<void()>;
void add_op(const std::string& name, Work work, std::function<Call()> make);

}  // namespace dlcore::bench
