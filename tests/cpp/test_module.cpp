// Modules, their state, saved programs and optimizers, through the public headers.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>

#include "dlcore/dlcore.h"

namespace dlcore {
namespace {

struct File {
  File() {
    std::string name = std::filesystem::temp_directory_path() / "dlcore-XXXXXX";
    ::close(::mkstemp(name.data()));
    path = name;
  }
  ~File() { std::filesystem::remove(path); }
  std::string path;
};

struct Net : nn::Module {
  nn::Linear hidden{3, 5}, out{5, 2};
  nn::BatchNorm1d norm{5};
  Net() { register_module("hidden", hidden), register_module("norm", norm), register_module("out", out); }
  Tensor forward(const Tensor& x) override { return out(relu(norm(hidden(x)))); }
};

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

bool same(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && all(eq(a, b)).item().to_bool(); }

TEST(Module, NamesAreThoseOfPyTorch) {
  Net net;
  std::string names;
  for (const auto& entry : net.named_parameters()) names += entry.first + " ";
  for (const auto& entry : net.named_buffers()) names += entry.first + " ";
  EXPECT_EQ(names,
            "hidden.weight hidden.bias norm.weight norm.bias out.weight out.bias norm.running_mean norm.running_var "
            "norm.num_batches_tracked ");
  names.clear();
  nn::LSTM lstm(2, 3, {.num_layers = 2, .bidirectional = true});
  for (const auto& [name, t] : lstm.named_parameters())
    names += name + std::to_string(t.size(1 - (t.dim() == 1))) + " ";
  EXPECT_EQ(names,
            "weight_ih_l02 weight_hh_l03 bias_ih_l012 bias_hh_l012 weight_ih_l0_reverse2 weight_hh_l0_reverse3 "
            "bias_ih_l0_reverse12 bias_hh_l0_reverse12 weight_ih_l16 weight_hh_l13 bias_ih_l112 bias_hh_l112 "
            "weight_ih_l1_reverse6 weight_hh_l1_reverse3 bias_ih_l1_reverse12 bias_hh_l1_reverse12 ");
}

TEST(Module, TrainingModeReachesAll) {
  nn::Sequential net;
  net.add<nn::Dropout>(0.5).add<nn::BatchNorm1d>(4);
  const Tensor x = rand({8, 4}) + 3;
  EXPECT_FALSE(same(net(x), net(x)));
  EXPECT_EQ(net.state_dict().at("1.num_batches_tracked").item().to_int(), 2);
  net.eval();
  EXPECT_TRUE(same(net(x), net(x)));
  EXPECT_EQ(net.state_dict().at("1.num_batches_tracked").item().to_int(), 2);
  EXPECT_FALSE(net[0].is_training());
}

TEST(Module, SharedParametersCountOnce) {
  struct Tied : nn::Module {
    nn::Linear a{2, 2};
    Tied() { register_module("a", a), register_parameter("again", a.weight); }
  } net;
  EXPECT_EQ(net.parameters().size(), 2u);
  EXPECT_EQ(net.state_dict().size(), 3u);
}

TEST(Module, LoadsAllOrNothing) {
  Net a, b;
  EXPECT_FALSE(same(a.hidden.weight, b.hidden.weight));
  TensorMap state = a.state_dict();
  b.load_state_dict(state);
  const Tensor x = randn({4, 3});
  EXPECT_TRUE(same(a.eval()(x), b.eval()(x)));

  const Tensor before = clone(b.hidden.weight);
  state["hidden.weight"] = zeros({5, 3});
  state["out.bias"] = zeros({3});
  state.erase("out.weight");
  state["more"] = zeros({1});
  const std::string message = message_of([&] { b.load_state_dict(state); });
  for (const char* part :
       {"out.bias: the module's shape is (2,), but (3,) came", "missing: out.weight", "unexpected: more"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_TRUE(same(b.hidden.weight, before));
  state.erase("out.bias");
  b.load_state_dict(state, /*strict=*/false);
  EXPECT_EQ(sum(b.hidden.weight).item().to_double(), 0);

  state = a.state_dict();
  Net c;
  c.load_state_dict(state, true, /*assign=*/true);
  EXPECT_EQ(c.hidden.weight.raw_data(), a.hidden.weight.raw_data());
  EXPECT_TRUE(c.hidden.weight.requires_grad());
  sum(c(x)).backward();
  EXPECT_TRUE(c.hidden.weight.grad().defined());
  c.zero_grad();
  EXPECT_FALSE(c.hidden.weight.grad().defined());
}

TEST(Module, WrongArgumentsAreNamed) {
  for (const auto& [message, f] : std::initializer_list<std::pair<const char*, std::function<void()>>>{
           {"Linear: in_features must be positive, but got 0", [] { nn::Linear(0, 1); }},
           {"Conv2d: in_channels must be positive and divisible by groups = 2, but got 3",
            [] { nn::Conv2d(3, 4, 3, {.groups = 2}); }},
           {"Conv2d: groups must be positive, but got 0", [] { nn::Conv2d(3, 4, 3, {.groups = 0}); }},
           {"Conv2d: kernel_size must be positive, but got -1", [] { nn::Conv2d(3, 4, {3, -1}); }},
           {"BatchNorm2d: input must have 4 to 4 dimensions, but got shape (2, 3)",
            [] { nn::BatchNorm2d{3}(ones({2, 3})); }},
           {"Dropout: p must be between 0 and 1", [] { nn::Dropout(1.5); }},
           {"Embedding: padding_idx must be a row of 3", [] { nn::Embedding(3, 2, 3); }},
           {"LSTM: num_layers must be from 1 to 1000", [] { nn::LSTM(1, 1, {.num_layers = 1 << 30}); }},
           {"GRU: hidden_size is too large", [] { nn::GRU(1, INT64_MAX); }},
           {"Sequential: index 0 is out of range of 0", [] { nn::Sequential()[0]; }},
           {"no forward", [] { nn::Module()(ones({1})); }},
           {"padding must be numbers, \"valid\" or \"same\", but got \"full\"",
            [] { nn::Conv2d(1, 1, 2, {.padding = "full"}); }},
           {"padding \"same\" needs stride 1", [] { nn::Conv2d(1, 1, 2, {.stride = {1, 2}, .padding = "same"}); }},
           {"LSTM: proj_size must be from 0 to below hidden_size = 3, but got 3",
            [] { nn::LSTM(1, 3, {.proj_size = 3}); }},
           {"GRU: only an LSTM has a proj_size", [] { nn::GRU(1, 3, {.proj_size = 2}); }},
           {"SGD: nesterov needs a momentum", [] { SGD({ones({1})}, 0.1, {.nesterov = true}); }},
           {"Optimizer: got an empty list", [] { Adam({}); }},
           {"Adam: beta1 and beta2", [] { Adam({ones({1})}, 0.1, {.beta1 = 1}); }},
       })
    EXPECT_NE(message_of(f).find(message), std::string::npos) << message << " / " << message_of(f);
}

TEST(Module, PaddingThatKeepsTheSize) {
  const Tensor x = randn({2, 3, 5, 6});
  nn::Conv2d same_size(3, 4, {2, 3}, {.padding = "same", .dilation = 2}), none(3, 4, {2, 3}, {.padding = "valid"});
  // 2 rows to add: one above and one below; 4 columns.
  EXPECT_TRUE(same(same_size(x), conv2d(x, same_size.weight, same_size.bias, {1}, IntSpan{1, 2}, {2})));
  EXPECT_TRUE(same(none(x), conv2d(x, none.weight, none.bias)));
  nn::Conv2d odd(3, 4, 2, {.padding = "same"});  // one row below, one column to the right
  const Tensor wide = zeros({2, 3, 6, 7});
  copy_(narrow(narrow(wide, 2, 0, 5), 3, 0, 6), x);
  EXPECT_TRUE(same(odd(x), conv2d(wide, odd.weight, odd.bias)));
}

TEST(Module, ProjectedLstm) {
  nn::LSTM lstm(3, 5, {.num_layers = 2, .batch_first = true, .bidirectional = true, .proj_size = 2});
  std::string shapes;
  for (const auto& [name, t] : lstm.named_parameters())
    if (t.dim() == 2 && !name.ends_with("_reverse"))
      shapes += name + " " + std::to_string(t.size(0)) + "x" + std::to_string(t.size(1)) + " ";
  EXPECT_EQ(shapes,
            "weight_ih_l0 20x3 weight_hh_l0 20x2 weight_hr_l0 2x5 weight_ih_l1 20x4 weight_hh_l1 20x2 "
            "weight_hr_l1 2x5 ");
  const auto [y, h, c] = lstm.run(randn({4, 7, 3}));
  EXPECT_TRUE(y.sizes() == (IntSpan{4, 7, 4}) && h.sizes() == (IntSpan{4, 4, 2}) && c.sizes() == (IntSpan{4, 4, 5}));
  EXPECT_TRUE(same(select(narrow(y, 2, 0, 2), 1, 6), select(h, 0, 2)));  // the last h of the last layer, forward
}

TEST(Module, InitialValues) {
  default_generator().set_seed(1);
  const nn::Linear linear(100, 200);
  EXPECT_LE(max_all(abs(linear.weight)).item().to_double(), 0.1);
  EXPECT_NEAR(stddev(linear.weight).item().to_double(), 0.1 / std::sqrt(3.0), 1e-3);
  const nn::Conv2d conv(4, 64, 5, {.groups = 2});  // filters of 50
  EXPECT_LE(max_all(abs(conv.weight)).item().to_double(), 1 / std::sqrt(50.0));
  EXPECT_GT(max_all(abs(conv.bias)).item().to_double(), 0.5 / std::sqrt(50.0));
  const nn::Embedding embedding(1000, 10, -1);
  EXPECT_NEAR(stddev(embedding.weight).item().to_double(), 1, 0.05);
  EXPECT_EQ(sum(abs(select(embedding.weight, 0, 999))).item().to_double(), 0);
}

TEST(Program, EveryLayerComesBack) {
  const File file;
  nn::Sequential net;
  net.add<nn::Conv2d>(2, 2, nn::Pair(2, 3), nn::Conv2dOptions{.padding = "same", .dilation = {3, 1}})
      .add<nn::Conv2d>(2, 4, nn::Pair(3, 2), nn::Conv2dOptions{.stride = {1, 2}, .padding = {1, 1}, .groups = 2})
      .add<nn::BatchNorm2d>(4, nn::BatchNormOptions{.eps = 1e-3, .affine = false})
      .add<nn::ReLU>()
      .add<nn::MaxPool2d>(2, nn::MaxPool2dOptions{.ceil_mode = true})
      .add<nn::AvgPool2d>(2, nn::AvgPool2dOptions{.stride = 1, .divisor_override = 3})
      .add<nn::Flatten>(2)
      .add<nn::LayerNorm>(std::vector<int64_t>{2}, nn::LayerNormOptions{.bias = false})
      .add<nn::Dropout>(0.25)
      .add<nn::GELU>("tanh")
      .add<nn::LSTM>(2, 3, nn::RecurrentOptions{.batch_first = true, .bidirectional = true})
      .add<nn::GRU>(6, 5, nn::RecurrentOptions{.num_layers = 2, .bias = false})
      .add<nn::LSTM>(5, 6, nn::RecurrentOptions{.num_layers = 2, .proj_size = 5})
      .add<nn::Tanh>();
  auto inner = std::make_unique<nn::Sequential>();
  inner->add<nn::Linear>(5, 3, false).add<nn::Sigmoid>().add<nn::Softmax>(-1);
  net.add(std::move(inner));
  const Tensor x = randn({3, 2, 5, 6});
  (void)net(x);  // running statistics other than those at the start
  net.eval();
  net.save(file.path);
  nn::Sequential loaded = nn::Sequential::load(file.path);
  EXPECT_FALSE(loaded.is_training());
  EXPECT_EQ(loaded.description(), net.description());
  EXPECT_EQ(loaded.state_dict().size(), net.state_dict().size());
  EXPECT_TRUE(same(loaded(x), net(x)));

  nn::Sequential words;
  words.add<nn::Embedding>(10, 4, 2).add<nn::BatchNorm1d>(3);
  words.eval();
  words.save(file.path);
  const Tensor ids = randint(0, 10, {2, 3});
  EXPECT_TRUE(same(nn::Sequential::load(file.path)(ids), words(ids)));

  struct Own : nn::Module {};
  net.add<Own>();
  EXPECT_THROW(net.save(file.path), NotImplementedError);
  EXPECT_EQ(nn::Sequential::load(file.path).size(), 2);  // the old file is whole
}

TEST(Program, WrongOnesAreRefused) {
  const File file;
  const TensorMap linear = {{"0.weight", ones({1, 2})}, {"0.bias", ones({1})}};
  const auto refused = [&](const std::string& layers, const TensorMap& tensors = {}) {
    save_safetensors(file.path, tensors, {{"dlcore.program", "{\"version\":1,\"layers\":[" + layers + "]}"}});
    return message_of([&] { nn::Sequential::load(file.path); });
  };
  const std::string good = R"({"type":"Linear","in_features":2,"out_features":1,"bias":true})";
  EXPECT_EQ(refused(good, linear), "nothing was thrown");
  const auto with = [&](std::string from, std::string to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"type":"Sequential","layers":[)";
  const std::pair<std::string, const char*> wrong[] = {
      {with("Linear", "Exec"), "unknown type Exec; known are Linear, Conv2d"},
      {with("\"Linear\"", "3"), "a layer has no type"},
      {"3", "a layer has no type"},
      {with("\"in_features\":2,", ""), "lacks the argument in_features"},
      {with("2", "2.5"), "must have as in_features an integer, but has 2.5"},
      {with("2", "-2"), "in_features must be positive"},
      {with("true", "1"), "must have as bias true or false"},
      {with("true", "true,\"more\":1"), "arguments that it does not take"},
      {with("2", "9223372036854775807"), ""},
      {with("2", "4611686018427387904"), ""},
      {with("2", "1000000000000"), "0.weight: the module's shape is (1, 1000000000000), but (1, 2) came"},
      {with("1", "2"), "0.weight"},
      {"", "unexpected: 0.bias 0.weight"},
      {good + "," + good, "missing: 1.weight 1.bias"},
      {deep, "JSON: "},
      {R"({"type":"LSTM","input_size":1,"hidden_size":1,"num_layers":1000000000,"bias":true,"batch_first":true,)"
       R"("dropout":0,"bidirectional":false})",
       "num_layers must be from 1 to 1000"},
      {R"({"type":"Sequential","layers":3})", "must have as layers an array"},
      {R"({"type":"MaxPool2d","kernel_size":[2],"stride":[2,2],"padding":[0,0],"dilation":[1,1],"ceil_mode":false})",
       "must have as kernel_size two integers"},
  };
  for (const auto& [layers, message] : wrong) {
    const std::string got = refused(layers, linear);
    EXPECT_NE(got.find(message), std::string::npos) << message << " / " << got;
    EXPECT_EQ(got.find("load: the program in "), 0u) << got;
  }
  save_safetensors(file.path, linear);
  EXPECT_NE(message_of([&] { nn::Sequential::load(file.path); }).find("no program that could be run"),
            std::string::npos);
  save_safetensors(file.path, linear, {{"dlcore.program", R"({"version":2,"layers":[]})"}});
  EXPECT_NE(message_of([&] { nn::Sequential::load(file.path); }).find("version 1"), std::string::npos);
}

// ---- optimizers: against the formulas, step by step, for a loss whose gradient is known

template <class Make, class Step>
void expect_steps(const Make& make, const Step& reference) {
  const Tensor p = zeros({1}, DType::Float64).set_requires_grad(true), idle = ones({2}).set_requires_grad(true);
  const auto optimizer = make(TensorList{p, idle});
  double x = 0;
  for (int step = 1; step <= 5; ++step) {
    optimizer->zero_grad();
    const Tensor error = p - 3;
    sum(error * error).backward();
    x = reference(x, 2 * (x - 3), step);
    optimizer->step();
    EXPECT_NEAR(p.item().to_double(), x, 1e-12 * step);
  }
  EXPECT_EQ(sum(idle).item().to_double(), 2);  // it never had a grad
}

TEST(Optimizer, Sgd) {
  expect_steps([](TensorList p) { return std::make_unique<SGD>(p, 0.1); },
               [](double x, double g, int) { return x - 0.1 * g; });
  double b = 0;
  expect_steps(
      [](TensorList p) {
        return std::make_unique<SGD>(p, 0.1, SGDOptions{.momentum = 0.9, .dampening = 0.5, .weight_decay = 0.01});
      },
      [&](double x, double g, int step) {
        g += 0.01 * x;
        b = step == 1 ? g : 0.9 * b + 0.5 * g;
        return x - 0.1 * b;
      });
}

TEST(Optimizer, AdamAndAdamW) {
  for (const bool decoupled : {false, true}) {
    double m = 0, v = 0;
    expect_steps(
        [&](TensorList p) -> std::unique_ptr<Optimizer> {
          if (decoupled) return std::make_unique<AdamW>(p, 0.1);
          return std::make_unique<Adam>(p, 0.1, AdamOptions{.weight_decay = 0.01, .amsgrad = true});
        },
        [&](double x, double g, int step) {
          if (decoupled)
            x -= 0.1 * 0.01 * x;
          else
            g += 0.01 * x;
          m = 0.9 * m + 0.1 * g;
          v = 0.999 * v + 0.001 * g * g;  // which grows in these steps, so that amsgrad changes nothing
          return x - 0.1 / (1 - std::pow(0.9, step)) * m / (std::sqrt(v / (1 - std::pow(0.999, step))) + 1e-8);
        });
  }
}

}  // namespace
}  // namespace dlcore
