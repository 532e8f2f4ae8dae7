#pragma once
#include <algorithm>
#include <initializer_list>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/tensor_type.h"

// Registration of ops. One statement gives the Python function, the method, the keyword handling, the error messages
// and the line of the type stub:
//
//   ops.op<&sum>("sum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor");
//
// Signature types and the C++ parameters that they fill:
//
//   Tensor, Tensor?             const Tensor& (undefined for None)
//   Number|Tensor               const Tensor& (a Python number becomes a weakly typed tensor)
//   Tensor[], Tensor?[]         const TensorList&, with undefined tensors for None in the second
//   Number, Number?             Scalar, std::optional<Scalar>
//   int float bool str  and ?   int64_t double bool std::string, std::optional of them
//   int[] int[1] int[2] and ?   IntSpan, std::optional<IntSpan>; int[n] takes a bare int, repeated n times
//   int...                      IntSpan, from separate arguments or from one sequence
//   Tensor...                   const TensorList&, likewise
//   dtype, dtype?  device?      DType, std::optional<DType>, std::optional<Device>
//   Generator?                  Generator* (null for None)
//   **options                   nothing: an op that makes tensors takes requires_grad=, device=, layout=, pin_memory=
namespace dlcore::bindings {

enum class Kind : uint8_t {
  Tensor,
  TensorList,
  Number,
  Int,
  Float,
  Bool,
  Str,
  IntList,
  Varargs,
  DType,
  Device,
  Generator
};

struct Param {
  Kind kind;
  bool optional = false;  // None is a value
  bool accepts_number = false;
  bool keyword_only = false;
  bool varargs = false;       // int..., Tensor...
  int repeat = 0;             // int[n]
  PyObject* name = nullptr;   // interned
  PyObject* value = nullptr;  // default; null where the argument is required
};

// A C++ function of any type, and the one way to call functions of its type.
struct Overload;
struct Target {
  PyObject* (*invoke)(const Overload&, PyObject* const* bound) = nullptr;
  void (*function)() = nullptr;
  size_t arity = 0;
};

struct Overload {
  std::string text;  // "(Tensor input, ...) -> Tensor"
  std::vector<Param> params;
  size_t positional = 0;
  bool creates = false;                 // "**options": takes requires_grad=, device=, layout= and pin_memory= too
  PyTypeObject* result_type = nullptr;  // for "-> (Tensor values, Tensor indices)"
  Target target;
};

struct Op {
  std::string name;
  std::vector<Overload> overloads;
  bool is_function = true, is_method = false;
  std::string stub;  // for _core.pyi
};

// Finds the overload that the arguments fit and calls it. With `or_not_implemented`, returns NotImplemented where none
// fits.
PyObject* call_op(const Op& op, PyObject* const* args, Py_ssize_t n, PyObject* names, bool or_not_implemented = false);
const Op* find_op(const std::string& name);

// ---- from bound Python objects to C++ arguments

template <class T>
struct Caster;

template <>
struct Caster<const Tensor&> {
  const Tensor* value;
  Tensor number;
  void load(PyObject* o, const Param&) {
    if (is_tensor(o)) {
      value = &tensor_of(o);
      return;
    }
    if (o != Py_None) number = is_number(o) ? dlcore::number(number_of(o)) : tensor_from_object(o, {}, true);
    value = &number;
  }
  const Tensor& get() { return *value; }
};

template <>
struct Caster<const TensorList&> {
  TensorList value;
  void load(PyObject* o, const Param& p);
  const TensorList& get() { return value; }
};

template <>
struct Caster<IntSpan> {
  int64_t small[8];
  std::vector<int64_t> large;
  size_t n = 0;
  void load(PyObject* o, const Param& p);
  IntSpan get() { return {large.empty() ? small : large.data(), n}; }
};

template <>
struct Caster<Generator*> {
  Generator* value = nullptr;
  void load(PyObject* o, const Param&) { value = generator_of(o); }
  Generator* get() { return value; }
};

template <class T>
T simple_cast(PyObject* o);
template <>
Scalar simple_cast(PyObject* o);
template <>
int64_t simple_cast(PyObject* o);
template <>
double simple_cast(PyObject* o);
template <>
bool simple_cast(PyObject* o);
template <>
std::string simple_cast(PyObject* o);
template <>
DType simple_cast(PyObject* o);
template <>
Device simple_cast(PyObject* o);

template <class T>
struct Caster {
  T value{};
  void load(PyObject* o, const Param&) { value = simple_cast<T>(o); }
  T get() { return std::move(value); }
};
template <>
struct Caster<const std::string&> : Caster<std::string> {};
template <>
struct Caster<const Scalar&> : Caster<Scalar> {};

template <class T>
struct Caster<std::optional<T>> {
  Caster<T> inner;
  bool none = true;
  void load(PyObject* o, const Param& p) {
    none = o == Py_None;
    if (!none) inner.load(o, p);
  }
  std::optional<T> get() { return none ? std::nullopt : std::optional<T>(inner.get()); }
};

// ---- from results to Python

inline PyObject* to_python(const Tensor& t, const Overload&) { return wrap(t); }
inline PyObject* to_python(const TensorList& l, const Overload&) { return wrap(l); }
inline PyObject* to_python(bool b, const Overload&) { return PyBool_FromLong(b); }
inline PyObject* to_python(int64_t i, const Overload&) { return PyLong_FromLongLong(i); }
inline PyObject* to_python(double d, const Overload&) { return PyFloat_FromDouble(d); }
inline PyObject* to_python(const std::string& s, const Overload&) {
  return PyUnicode_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size()));
}
inline PyObject* to_python(DType t, const Overload&) { return wrap(t); }
PyObject* to_python(Scalar s, const Overload&);
PyObject* to_python(const std::vector<int64_t>& v, const Overload&);                 // dlcore.Size
PyObject* tuple_to_python(PyObject* const* items, Py_ssize_t n, const Overload& o);  // steals the items

template <class... T>
PyObject* to_python(const std::tuple<T...>& t, const Overload& o) {
  return std::apply(
      [&](const T&... item) {
        PyObject* items[] = {to_python(item, o)...};
        return tuple_to_python(items, sizeof...(T), o);
      },
      t);
}

template <class R, class... A, size_t... I>
PyObject* invoke(R (*f)(A...), const Overload& o, PyObject* const* bound, std::index_sequence<I...>) {
  std::tuple<Caster<A>...> casters;
  (std::get<I>(casters).load(bound[I], o.params[I]), ...);
  if constexpr (std::is_void_v<R>) {
    f(std::get<I>(casters).get()...);
    Py_RETURN_NONE;
  } else {
    return to_python(f(std::get<I>(casters).get()...), o);
  }
}
template <class R, class... A>
PyObject* invoke(const Overload& o, PyObject* const* bound) {
  return invoke(reinterpret_cast<R (*)(A...)>(o.target.function), o, bound, std::index_sequence_for<A...>{});
}
template <class R, class... A>
Target target(R (*f)(A...)) {
  return {&invoke<R, A...>, reinterpret_cast<void (*)()>(f), sizeof...(A)};
}

// The name of an op as a template argument.
template <size_t N>
struct OpName {
  char text[N];
  constexpr OpName(const char (&s)[N]) { std::copy_n(s, N, text); }
};

class Ops {
 public:
  using Signatures = std::initializer_list<const char*>;  // "(Tensor input, ...) -> Tensor", one for each function

  explicit Ops(PyObject* module) : module_(module) {}

  // A function and, as its first parameter is a tensor, a method. (+ turns a lambda into a function pointer.)
  template <auto F>
  void op(const char* signature) {
    add(signature, target(+F), true, true);
  }
  template <auto... F>
  void op(const char* name, Signatures signatures) {
    add(name, signatures, {target(+F)...}, true, true);
  }
  template <auto F>
  void function(const char* signature) {
    add(signature, target(+F), true, false);
  }
  template <auto... F>
  void function(const char* name, Signatures signatures) {
    add(name, signatures, {target(+F)...}, true, false);
  }
  template <auto F>
  void method(const char* signature) {
    add(signature, target(+F), false, true);
  }
  template <auto... F>
  void method(const char* name, Signatures signatures) {
    add(name, signatures, {target(+F)...}, false, true);
  }

  // Another name of an op that is already there.
  void same(const char* alias, const char* name);
  // One line of class Tensor for each op that is a method, one for each function: the text of _core.pyi.
  static std::string stubs();

 private:
  void add(const char* signature, Target target, bool function, bool method);
  void add(const char* name, Signatures signatures, std::initializer_list<Target> targets, bool function, bool method);

  PyObject* module_;
};

void bind_core(Ops& ops);      // Tensor's own methods (module.cpp)
void bind_families(Ops& ops);  // every family's ops (families.cpp)

}  // namespace dlcore::bindings
