// Saved programs: a Sequential's layers, in the metadata "dlcore.program" of the file that holds its weights:
//
//   {"version": 1, "layers": [{"type": "Linear", "in_features": 2, "out_features": 1, "bias": true}, ...]}
//
// A layer is the name of PyTorch's class and the arguments of its constructor, all of them but proj_size, which only an
// LSTM that projects has. Parameters and buffers have the names that state_dict gives them: "0.weight".
#include <algorithm>
#include <string_view>

#include "dlcore/module.h"
#include "io/json.h"
#include "nn/initial.h"

namespace dlcore::nn {
namespace {

constexpr const char* kProgram = "dlcore.program";

// The arguments of one layer; each must be asked for.
class Arguments {
 public:
  Arguments(const std::string& type, const Json& layer) : type_(type), layer_(layer) {}

  int64_t integer(const char* name) { return checked(name, Json::Kind::Integer, "an integer").integer; }
  bool boolean(const char* name) { return checked(name, Json::Kind::Bool, "true or false").integer != 0; }
  std::string string(const char* name) { return checked(name, Json::Kind::String, "a string").string; }
  double real(const char* name) {
    const Json& v = get(name);
    check(v.is(Json::Kind::Real) || v.is(Json::Kind::Integer), name, "a number", v);
    return v.is(Json::Kind::Real) ? v.real : static_cast<double>(v.integer);
  }
  std::optional<int64_t> optional_integer(const char* name) {
    const Json* v = layer_.find(name);
    if (!v || !v->is(Json::Kind::Null)) return integer(name);
    ++taken_;
    return {};
  }
  std::vector<int64_t> integers(const char* name) {
    std::vector<int64_t> values;
    const Json& v = array(name);
    for (const Json& item : v.items) {
      check(item.is(Json::Kind::Integer), name, "integers", v);
      values.push_back(item.integer);
    }
    return values;
  }
  const Json& array(const char* name) { return checked(name, Json::Kind::Array, "an array"); }
  Pair pair(const char* name) {
    const std::vector<int64_t> values = integers(name);
    check(values.size() == 2, name, "two integers", *layer_.find(name));
    return {values[0], values[1]};
  }

  Padding padding(const char* name) {
    const Json* v = layer_.find(name);
    return v && v->is(Json::Kind::String) ? Padding(string(name)) : Padding(pair(name));
  }
  bool has(const char* name) const { return layer_.find(name); }

  void finish() const {
    DLCORE_CHECK(taken_ == layer_.members.size(), ValueError, "its layer ", type_, " has arguments that it does not ",
                 "take: ", to_text(layer_));
  }

 private:
  const Json& get(const char* name) {
    const Json* v = layer_.find(name);
    DLCORE_CHECK(v, ValueError, "its layer ", type_, " lacks the argument ", name);
    ++taken_;
    return *v;
  }
  void check(bool ok, const char* name, const char* expected, const Json& v) const {
    DLCORE_CHECK(ok, ValueError, "its layer ", type_, " must have as ", name, " ", expected, ", but has ", to_text(v));
  }
  const Json& checked(const char* name, Json::Kind kind, const char* expected) {
    const Json& v = get(name);
    check(v.is(kind), name, expected, v);
    return v;
  }

  const std::string& type_;
  const Json& layer_;
  size_t taken_ = 1;  // the type
};

using Layer = std::unique_ptr<Module>;
template <class M, class... A>
Layer made(A&&... arguments) {
  return std::make_unique<M>(std::forward<A>(arguments)...);
}

void add_layers(Sequential& net, const Json& list);

BatchNormOptions batch_norm_options(Arguments& a) {
  return {a.real("eps"), a.real("momentum"), a.boolean("affine"), a.boolean("track_running_stats")};
}
RecurrentOptions recurrent_options(Arguments& a) {
  return {a.integer("num_layers"), a.boolean("bias"), a.boolean("batch_first"), a.real("dropout"),
          a.boolean("bidirectional")};
}
RecurrentOptions lstm_options(Arguments& a) {
  RecurrentOptions o = recurrent_options(a);
  if (a.has("proj_size")) o.proj_size = a.integer("proj_size");
  return o;
}

struct LayerType {
  std::string_view name;
  Layer (*make)(Arguments& a);
};
constexpr LayerType kLayers[] = {
    {"Linear",
     [](Arguments& a) { return made<Linear>(a.integer("in_features"), a.integer("out_features"), a.boolean("bias")); }},
    {"Conv2d",
     [](Arguments& a) {
       return made<Conv2d>(a.integer("in_channels"), a.integer("out_channels"), a.pair("kernel_size"),
                           Conv2dOptions{a.pair("stride"), a.padding("padding"), a.pair("dilation"),
                                         a.integer("groups"), a.boolean("bias")});
     }},
    {"MaxPool2d",
     [](Arguments& a) {
       return made<MaxPool2d>(a.pair("kernel_size"), MaxPool2dOptions{a.pair("stride"), a.pair("padding"),
                                                                      a.pair("dilation"), a.boolean("ceil_mode")});
     }},
    {"AvgPool2d",
     [](Arguments& a) {
       return made<AvgPool2d>(a.pair("kernel_size"),
                              AvgPool2dOptions{a.pair("stride"), a.pair("padding"), a.boolean("ceil_mode"),
                                               a.boolean("count_include_pad"), a.optional_integer("divisor_override")});
     }},
    {"BatchNorm1d", [](Arguments& a) { return made<BatchNorm1d>(a.integer("num_features"), batch_norm_options(a)); }},
    {"BatchNorm2d", [](Arguments& a) { return made<BatchNorm2d>(a.integer("num_features"), batch_norm_options(a)); }},
    {"LayerNorm",
     [](Arguments& a) {
       return made<LayerNorm>(a.integers("normalized_shape"),
                              LayerNormOptions{a.real("eps"), a.boolean("elementwise_affine"), a.boolean("bias")});
     }},
    {"Embedding",
     [](Arguments& a) {
       return made<Embedding>(a.integer("num_embeddings"), a.integer("embedding_dim"),
                              a.optional_integer("padding_idx"));
     }},
    {"LSTM",
     [](Arguments& a) { return made<LSTM>(a.integer("input_size"), a.integer("hidden_size"), lstm_options(a)); }},
    {"GRU",
     [](Arguments& a) { return made<GRU>(a.integer("input_size"), a.integer("hidden_size"), recurrent_options(a)); }},
    {"Flatten", [](Arguments& a) { return made<Flatten>(a.integer("start_dim"), a.integer("end_dim")); }},
    {"Dropout", [](Arguments& a) { return made<Dropout>(a.real("p")); }},
    {"Softmax", [](Arguments& a) { return made<Softmax>(a.integer("dim")); }},
    {"GELU", [](Arguments& a) { return made<GELU>(a.string("approximate")); }},
    {"ReLU", [](Arguments&) { return made<ReLU>(); }},
    {"Tanh", [](Arguments&) { return made<Tanh>(); }},
    {"Sigmoid", [](Arguments&) { return made<Sigmoid>(); }},
    {"Sequential",
     [](Arguments& a) {
       auto net = std::make_unique<Sequential>();
       add_layers(*net, a.array("layers"));
       return Layer(std::move(net));
     }},
};

void add_layers(Sequential& net, const Json& list) {
  for (const Json& layer : list.items) {
    const Json* type = layer.find("type");
    DLCORE_CHECK(type && type->is(Json::Kind::String), ValueError, "a layer has no type: ", to_text(layer));
    const auto* known = std::find_if(std::begin(kLayers), std::end(kLayers),
                                     [&](const LayerType& t) { return t.name == type->string; });
    if (known == std::end(kLayers)) {
      std::string names;
      for (const LayerType& t : kLayers) names.append(names.empty() ? "" : ", ").append(t.name);
      fail<ValueError>("it has a layer of the unknown type ", type->string, "; known are ", names);
    }
    Arguments arguments(type->string, layer);
    net.add(known->make(arguments));
    arguments.finish();
  }
}

}  // namespace

// ---- Sequential

Sequential::~Sequential() {
  for (Module* layer : layers_) delete layer;
}

Sequential& Sequential::own(Module* module) {
  DLCORE_CHECK(module, ValueError, "Sequential: add: there is no module");
  Layer layer(module);  // until layers_ has it
  layers_.reserve(layers_.size() + 1);
  register_module(std::to_string(layers_.size()), *module);
  layers_.push_back(layer.release());
  return *this;
}

Module& Sequential::operator[](int64_t i) const {
  DLCORE_CHECK(-size() <= i && i < size(), IndexError, "Sequential: index ", i, " is out of range of ", size());
  return *layers_[static_cast<size_t>(i < 0 ? i + size() : i)];
}

Tensor Sequential::forward(const Tensor& input) {
  Tensor x = input;
  for (Module* layer : layers_) x = layer->forward(x);
  return x;
}

std::string Sequential::description() const {
  std::string text = "{\"type\":\"Sequential\",\"layers\":[";
  for (const Module* layer : layers_) {
    if (text.back() != '[') text += ',';
    text += layer->description();
  }
  return text + "]}";
}

void Sequential::save(const std::string& path) const {
  // The layers of the outermost Sequential are the program's.
  const std::string text = description(), layers = text.substr(text.find(",\"layers\""));
  save_safetensors(path, state_dict(), {{kProgram, "{\"version\":1" + layers}});
}

Sequential Sequential::load(const std::string& path, bool mmap) { return Sequential(path, mmap); }

Sequential::Sequential(const std::string& path, bool mmap) : Sequential() {
  Metadata metadata;
  const TensorMap tensors = load_safetensors(path, &metadata, mmap);
  const auto program = metadata.find(kProgram);
  DLCORE_CHECK(program != metadata.end(), ValueError, "load: ", path,
               " holds tensors, but no program that could be run; write it with dlcore.export or Sequential::save");
  try {
    const Json text = parse_json(program->second);
    const Json *version = text.find("version"), *layers = text.find("layers");
    DLCORE_CHECK(version && version->integer == 1 && layers && layers->is(Json::Kind::Array), ValueError,
                 "it must have version 1 and a list of layers");
    {
      Placeholders without_values;
      add_layers(*this, *layers);
    }
    load_state_dict(tensors, /*strict=*/true, /*assign=*/true);
    eval();
  } catch (const Error& e) {
    fail<ValueError>("load: the program in ", path, " cannot be run: ", e.what());
  }
}

}  // namespace dlcore::nn
