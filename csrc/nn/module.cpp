#include "dlcore/module.h"

#include <set>

#include "core/tensor_impl.h"
#include "dlcore/autograd.h"
#include "dlcore/ops/elementwise.h"

namespace dlcore::nn {

Module::~Module() = default;

Tensor Module::forward(const Tensor&) {
  fail<NotImplementedError>("Module: this class has no forward of one tensor; call its own method");
}

std::string Module::description() const {
  fail<NotImplementedError>("save: this class is not among the layers that a saved program may have");
}

// ---- registration

void Module::check_name(const std::string& name) const {
  const auto taken = [&](const auto& list) {
    for (const auto& entry : list)
      if (entry.first == name) return true;
    return false;
  };
  DLCORE_CHECK(!name.empty() && name.find('.') == std::string::npos, ValueError,
               "register: a name must not be empty or contain a dot, but got \"", name, "\"");
  DLCORE_CHECK(!taken(parameters_) && !taken(buffers_) && !taken(modules_), ValueError, "register: the name \"", name,
               "\" is taken");
}

Tensor Module::register_parameter(const std::string& name, Tensor tensor) {
  check_name(name);
  if (tensor.defined()) parameters_.emplace_back(name, tensor.set_requires_grad(true));
  return tensor;
}

Tensor Module::register_buffer(const std::string& name, Tensor tensor) {
  check_name(name);
  if (tensor.defined()) buffers_.emplace_back(name, tensor);
  return tensor;
}

void Module::register_module(const std::string& name, Module& module) {
  check_name(name);
  DLCORE_CHECK(&module != this, ValueError, "register_module: a module cannot contain itself");
  modules_.emplace_back(name, &module);
}

// ---- walking

// visit(prefix, module) for this module and those inside it, parents first.
template <class Visit>
void Module::walk(const std::string& prefix, const Visit& visit) const {
  visit(prefix, *this);
  for (const auto& [name, module] : modules_) module->walk(prefix + name + ".", visit);
}

Module::NamedTensors Module::collect(bool parameters, bool buffers) const {
  NamedTensors result;
  walk("", [&](const std::string& prefix, const Module& m) {
    if (parameters)
      for (const auto& [name, t] : m.parameters_) result.emplace_back(prefix + name, t);
    if (buffers)
      for (const auto& [name, t] : m.buffers_) result.emplace_back(prefix + name, t);
  });
  return result;
}

namespace {

Module::NamedTensors once(Module::NamedTensors all) {
  std::set<const TensorImpl*> seen;
  std::erase_if(all, [&](const auto& entry) { return !seen.insert(entry.second.impl()).second; });
  return all;
}

TensorList without_names(const Module::NamedTensors& named) {
  TensorList list;
  for (const auto& entry : named) list.push_back(entry.second);
  return list;
}

}  // namespace

Module::NamedTensors Module::named_parameters() const { return once(collect(true, false)); }
Module::NamedTensors Module::named_buffers() const { return once(collect(false, true)); }
TensorList Module::parameters() const { return without_names(named_parameters()); }
TensorList Module::buffers() const { return without_names(named_buffers()); }

void Module::zero_grad() {
  for (const Tensor& p : parameters()) p.set_grad({});
}

Module& Module::train(bool on) {
  training_ = on;
  for (const auto& entry : modules_) entry.second->train(on);
  return *this;
}

// ---- state

TensorMap Module::state_dict() const {
  TensorMap state;
  for (const auto& [name, t] : collect(true, true)) state[name] = t.detach();
  return state;
}

void Module::load_state_dict(const TensorMap& state, bool strict, bool assign) {
  const NamedTensors own = collect(true, true);
  std::string missing, unexpected, wrong;
  std::set<std::string> names;
  for (const auto& [name, t] : own) {
    names.insert(name);
    const auto found = state.find(name);
    if (found == state.end()) {
      if (strict) missing += " " + name;
    } else if (const Tensor& value = found->second; !value.defined() || value.sizes() != t.sizes()) {
      wrong += "\n  " + name + ": the module's shape is " + format(t.sizes()) + ", but " +
               (value.defined() ? format(value.sizes()) : "nothing") + " came";
    }
  }
  if (strict)
    for (const auto& entry : state)
      if (!names.contains(entry.first)) unexpected += " " + entry.first;
  if (!missing.empty()) wrong += "\n  missing:" + missing;
  if (!unexpected.empty()) wrong += "\n  unexpected:" + unexpected;
  DLCORE_CHECK(wrong.empty(), RuntimeError, "load_state_dict: the state does not fit the module", wrong);

  NoGrad no_grad;
  for (const auto& [name, t] : own) {
    const auto found = state.find(name);
    if (found == state.end()) continue;
    if (!assign) {
      copy_(t, found->second);
      continue;
    }
    TensorImpl& to = *t.impl();
    const TensorImpl& from = *found->second.impl();
    DLCORE_CHECK(!to.requires_grad || is_floating(from.dtype), RuntimeError, "load_state_dict: parameter ", name,
                 " must be floating point, but got ", dlcore::name(from.dtype));
    to.storage = from.storage;
    to.offset = from.offset;
    to.strides = from.strides;
    to.dtype = from.dtype;
    refresh_geometry(to);
  }
}

}  // namespace dlcore::nn
