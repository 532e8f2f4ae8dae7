#pragma once
#include "bindings/op.h"

// The text of signatures: read into parameters, and written as lines of the type stub.
namespace dlcore::bindings {

inline constexpr size_t kMaxParams = 24;

// "(Tensor input, int dim, bool keepdim=False) -> Tensor"; what calls the function is left to the caller.
Overload read_overload(const std::string& op, const char* signature);
// The line of _core.pyi for a function, or for a method of class Tensor.
std::string stub_line(const Op& op, const Overload& o, bool method);

}  // namespace dlcore::bindings
