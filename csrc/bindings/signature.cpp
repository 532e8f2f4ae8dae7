#include "bindings/signature.h"

#include <structseq.h>

#include <map>

namespace dlcore::bindings {
namespace {

struct Reader {
  std::string text;
  size_t at = 0;

  void space() {
    while (at < text.size() && text[at] == ' ') ++at;
  }
  bool take(const char* token) {
    space();
    const size_t n = std::strlen(token);
    if (text.compare(at, n, token) != 0) return false;
    at += n;
    return true;
  }
  std::string word() {
    space();
    const size_t start = at;
    while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || std::strchr("_.", text[at])))
      ++at;
    return text.substr(start, at - start);
  }
  [[noreturn]] void bad() const { fail<RuntimeError>("bad signature at ", at, ": ", text); }

  PyObject* value() {
    space();
    const size_t start = at;
    int depth = 0;
    bool quoted = false;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '"' || c == '\'') quoted = !quoted;
      if (quoted) continue;
      if (c == '[' || c == '(') ++depth;
      if ((c == ')' || c == ',') && depth == 0) break;
      if (c == ']' || c == ')') --depth;
    }
    std::string source = text.substr(start, at - start);
    if (source.rfind("dlcore.", 0) == 0) bad();
    const Owned globals(checked(PyDict_New()));
    return checked(PyRun_String(source.c_str(), Py_eval_input, globals.get(), globals.get()));
  }

  Param param() {
    Param p{};
    const std::string type = word();
    if (type == "Number") {
      p.kind = Kind::Number;
      if (take("|Tensor")) {
        p.kind = Kind::Tensor;
        p.accepts_number = true;
      }
    } else if (type == "Tensor") {
      p.kind = Kind::Tensor;
      if (take("|Number")) p.accepts_number = true;
      p.optional = take("?[]");  // the list's items are
      if (p.optional || take("[]")) p.kind = Kind::TensorList;
    } else if (type == "int...") {
      p.kind = Kind::Varargs;
      p.varargs = true;
    } else if (type == "Tensor...") {
      p.kind = Kind::TensorList;
      p.varargs = true;
    } else if (type == "int") {
      p.kind = Kind::Int;
      if (take("[")) {
        p.kind = Kind::IntList;
        if (const std::string n = word(); !n.empty()) p.repeat = std::stoi(n);
        if (!take("]")) bad();
      }
    } else {
      static const std::map<std::string, Kind> kinds = {{"float", Kind::Float},   {"bool", Kind::Bool},
                                                        {"str", Kind::Str},       {"dtype", Kind::DType},
                                                        {"device", Kind::Device}, {"Generator", Kind::Generator}};
      const auto found = kinds.find(type);
      if (found == kinds.end()) bad();
      p.kind = found->second;
    }
    if (take("?")) p.optional = true;
    const std::string n = word();
    if (n.empty()) bad();
    p.name = PyUnicode_InternFromString(n.c_str());
    if (take("=")) p.value = value();
    return p;
  }
};

PyTypeObject* named_tuple(const std::string& op, const std::vector<std::string>& fields) {
  auto* list = new PyStructSequence_Field[fields.size() + 1]();
  for (size_t i = 0; i < fields.size(); ++i) list[i].name = strdup(fields[i].c_str());
  PyStructSequence_Desc desc = {strdup(("dlcore.return_types." + op).c_str()), nullptr, list,
                                static_cast<int>(fields.size())};
  return PyStructSequence_NewType(&desc);
}

}  // namespace

Overload read_overload(const std::string& op, const char* signature) {
  Overload o;
  o.text = signature;
  Reader r{o.text};
  if (!r.take("(")) r.bad();
  bool keyword_only = false;
  while (!r.take(")")) {
    if (r.take("**options")) {
      o.creates = true;
    } else if (r.take("*")) {
      keyword_only = true;
    } else {
      Param p = r.param();
      p.keyword_only = keyword_only;
      if (!keyword_only) ++o.positional;
      o.params.push_back(p);
    }
    r.take(",");
  }
  if (r.take("->") && r.take("(")) {
    std::vector<std::string> fields;
    while (!r.take(")")) {
      (void)r.word();
      if (const std::string field = r.word(); !field.empty()) fields.push_back(field);
      r.take(",");
    }
    if (!fields.empty()) o.result_type = named_tuple(op, fields);
  }
  return o;
}

// ---- type stubs

namespace {

std::string stub_type(const Param& p) {
  static const std::map<Kind, const char*> types = {{Kind::Tensor, "Tensor"},
                                                    {Kind::TensorList, "Sequence[Tensor]"},
                                                    {Kind::Number, "Number"},
                                                    {Kind::Int, "int"},
                                                    {Kind::Float, "float"},
                                                    {Kind::Bool, "bool"},
                                                    {Kind::Str, "str"},
                                                    {Kind::IntList, "Sequence[int]"},
                                                    {Kind::Varargs, "int | Sequence[int]"},
                                                    {Kind::DType, "dtype"},
                                                    {Kind::Device, "device | str"},
                                                    {Kind::Generator, "Generator"}};
  if (p.kind == Kind::TensorList && p.optional) return "Sequence[Tensor | None]";
  std::string t = types.at(p.kind);
  if (p.accepts_number) t += " | Number";
  if (p.varargs && p.kind == Kind::TensorList) t += " | Tensor";
  if (p.repeat) t += " | int";
  if (p.optional) t += " | None";
  return t;
}

std::string stub_result(const std::string& text) {
  const size_t arrow = text.find("->");
  std::string result = arrow == std::string::npos ? "Any" : text.substr(arrow + 3);
  if (result == "Tensor[]") return "tuple[Tensor, ...]";
  if (result.front() == '(') return "Any";
  return result == "Number" ? "Number" : result;
}

// A name that Python's grammar takes: `from` cannot be written as a keyword anyway.
std::string stub_name(const Param& p) {
  const std::string name = PyUnicode_AsUTF8(p.name);
  return name == "from" || name == "lambda" ? name + "_" : name;
}

}  // namespace

std::string stub_line(const Op& op, const Overload& o, bool method) {
  std::string text = std::string(method ? "    " : "") + "def " + op.name + "(";
  bool first = true, star = false;
  for (size_t i = 0; i < o.params.size(); ++i) {
    const Param& p = o.params[i];
    if (p.keyword_only && !star) {
      text += std::string(first ? "" : ", ") + "*";
      star = true;
      first = false;
    }
    std::string piece;
    if (method && i == 0)
      piece = "self";
    else if (p.varargs)
      piece = "*" + stub_name(p) + ": " + stub_type(p);
    else
      piece = stub_name(p) + ": " + stub_type(p);
    if (p.varargs) star = true;
    if (p.value && !(method && i == 0)) {
      const Owned shown(checked(PyObject_Repr(p.value)));
      piece += std::string(" = ") + PyUnicode_AsUTF8(shown.get());
    }
    text += (first ? "" : ", ") + piece;
    first = false;
  }
  const bool one_tensor = o.text.size() > 9 && o.text.find("-> Tensor") == o.text.size() - 9;
  if (o.creates || (!method && op.is_function && one_tensor)) {
    text += std::string(star ? "" : ", *") + ", **extras: Any";
    if (!star) text.replace(text.rfind(", *, **"), 7, ", **");
  }
  return text + ") -> " + stub_result(o.text) + ": ...\n";
}

}  // namespace dlcore::bindings
