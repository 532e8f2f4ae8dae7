#pragma once
#include <sstream>
#include <string>

#include "dlcore/error.h"

namespace dlcore {

// Text of any streamable values, one after another.
template <class... Parts>
std::string format(const Parts&... parts) {
  std::ostringstream text;
  text.precision(17);
  (text << ... << parts);
  return text.str();
}

template <class E, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  throw E(format(parts...));
}

}  // namespace dlcore

// The message is built only where the condition fails: DLCORE_CHECK(k > 0, ValueError, "unfold: k must be positive, got
// ", k).
#define DLCORE_CHECK(condition, Kind, ...) \
  (__builtin_expect(static_cast<bool>(condition), 1) ? void(0) : ::dlcore::fail<::dlcore::Kind>(__VA_ARGS__))
