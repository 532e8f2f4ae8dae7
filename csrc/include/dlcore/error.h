#pragma once
#include <stdexcept>
#include <string>

#include "dlcore/export.h"

namespace dlcore {

// Every failure of the library is one of these. `what()` names the op, the argument, what was expected and what came.
// The bindings map each kind to the Python exception of the same name.
class DLCORE_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class DLCORE_API RuntimeError : public Error {
 public:
  using Error::Error;
};
class DLCORE_API ValueError : public Error {
 public:
  using Error::Error;
};
class DLCORE_API TypeError : public Error {
 public:
  using Error::Error;
};
class DLCORE_API IndexError : public Error {
 public:
  using Error::Error;
};
class DLCORE_API NotImplementedError : public Error {
 public:
  using Error::Error;
};
class DLCORE_API OutOfMemoryError : public RuntimeError {
 public:
  using RuntimeError::RuntimeError;
};

}  // namespace dlcore
