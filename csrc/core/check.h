#pragma once
#include <initializer_list>
#include <ostream>
#include <string>

#include "dlcore/error.h"

namespace dlcore {

// A part of a message: any value that can be streamed, which must outlive it, and how it is. Messages are everywhere,
// so that each must cost little code.
class Part {
 public:
  Part(const char* text)
      : value_(text), write_([](std::ostream& out, const void* p) { out << static_cast<const char*>(p); }) {}
  template <class T>
  Part(const T& value)
      : value_(&value), write_([](std::ostream& out, const void* p) { out << *static_cast<const T*>(p); }) {}

  friend std::ostream& operator<<(std::ostream& out, const Part& part) {
    part.write_(out, part.value_);
    return out;
  }

 private:
  const void* value_;
  void (*write_)(std::ostream&, const void*);
};

// The parts' text, one after another.
DLCORE_API std::string format_parts(std::initializer_list<Part> parts);

template <class... Values>
std::string format(const Values&... values) {
  return format_parts({values...});
}

template <class E>
[[noreturn, gnu::noinline, gnu::cold]] void fail_with(std::initializer_list<Part> parts) {
  throw E(format_parts(parts));
}
template <class E, class... Values>
[[noreturn]] void fail(const Values&... values) {
  fail_with<E>({values...});
}

}  // namespace dlcore

// The message is built only where the condition fails: DLCORE_CHECK(k > 0, ValueError, "unfold: k must be positive, got
// ", k).
#define DLCORE_CHECK(condition, Kind, ...) \
  (__builtin_expect(static_cast<bool>(condition), 1) ? void(0) : ::dlcore::fail_with<::dlcore::Kind>({__VA_ARGS__}))
