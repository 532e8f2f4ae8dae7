#include <random>

#include "bindings/pybind.h"
#include "dlcore/ops/random.h"
#include "ops/internal.h"

namespace dlcore::bindings {
namespace {

// A seed is an integer in [-2^63, 2^64): a negative one stands for itself + 2^64.
uint64_t seed_of(py::handle seed) {
  const py::object index = owned(PyNumber_Index(seed.ptr()));
  if (!index) throw py::error_already_set();
  int overflow = 0;
  const long long small = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow == 0) return static_cast<uint64_t>(small);
  const unsigned long long large = overflow > 0 ? PyLong_AsUnsignedLongLong(index.ptr()) : 0;
  if (overflow < 0 || PyErr_Occurred()) {
    PyErr_Clear();
    fail<ValueError>("manual_seed: seed must be in [-2**63, 2**64 - 1] but got ", py::str(index).cast<std::string>());
  }
  return large;
}

uint64_t new_seed(Generator& g) {
  std::random_device device;
  g.set_seed(uint64_t{device()} << 32 | device());
  return g.seed();
}

// Seed and offset, eight bytes each.
py::object state_of(const Generator& g) {
  const uint64_t state[] = {g.seed(), g.offset()};
  Tensor t = empty({sizeof state}, DType::UInt8);
  std::memcpy(t.raw_data(), state, sizeof state);
  return owned(wrap(t));
}
void set_state(Generator& g, py::handle state) {
  uint64_t words[2];
  DLCORE_CHECK(is_tensor(state.ptr()) && tensor_of(state.ptr()).dtype() == DType::UInt8, TypeError,
               "set_state: the state must be a uint8 tensor");
  const Tensor t = contiguous(tensor_of(state.ptr()));
  DLCORE_CHECK(t.numel() == sizeof words, RuntimeError, "set_state: the state must have ", sizeof words,
               " bytes but got ", t.numel());
  std::memcpy(words, t.raw_data(), sizeof words);
  g.set_state(words[0], words[1]);
}

}  // namespace

bool is_generator(PyObject* o) { return py::isinstance<Generator>(o); }
Generator* generator_of(PyObject* o) { return o == Py_None ? nullptr : py::cast<Generator*>(py::handle(o)); }

void bind_generator(py::module_& m) {
  py::class_<Generator, std::unique_ptr<Generator>>(m, "Generator",
                                                    "A stream of random numbers of its own: Generator(device='cpu').")
      .def(py::init([](py::handle device) {
             (void)device_of(device.ptr());
             return std::make_unique<Generator>();
           }),
           py::arg("device") = "cpu")
      .def(
          "manual_seed",
          [](py::object self, py::handle seed) {
            self.cast<Generator&>().set_seed(seed_of(seed));
            return self;
          },
          py::arg("seed"), "Starts the stream that belongs to `seed`; returns the generator.")
      .def("seed", &new_seed, "Starts a stream that nobody can foresee; returns its seed.")
      .def(
          "initial_seed", [](const Generator& g) { return g.seed(); }, "The seed of the stream.")
      .def("get_state", &state_of, "Seed and position in the stream: a uint8 tensor.")
      .def(
          "set_state",
          [](py::object self, py::handle state) {
            set_state(self.cast<Generator&>(), state);
            return self;
          },
          py::arg("new_state"))
      .def(
          "clone_state",
          [](const Generator& g) {
            auto copy = std::make_unique<Generator>();
            copy->set_state(g.seed(), g.offset());
            return copy;
          },
          "A generator that goes on as this one does.")
      .def_property_readonly("device", [](const Generator&) { return Device{}; });
  m.attr("default_generator") = py::cast(&default_generator(), py::return_value_policy::reference);
  m.def(
      "manual_seed",
      [](py::handle seed) {
        default_generator().set_seed(seed_of(seed));
        return py::cast(&default_generator(), py::return_value_policy::reference);
      },
      py::arg("seed"), "Starts the default generator's stream that belongs to `seed`; returns that generator.");
  m.def("seed", [] { return new_seed(default_generator()); });
  m.def("initial_seed", [] { return default_generator().seed(); });
  m.def("get_rng_state", [] { return state_of(default_generator()); });
  m.def("set_rng_state", [](py::handle state) { set_state(default_generator(), state); }, py::arg("new_state"));
}

void bind_random(Ops& ops) {
  using Size = IntSpan;
  using Type = std::optional<DType>;
  ops.function<[](Size s, Generator* g, Type t) { return rand(s, t, g); }>(
      "rand(int... size, *, Generator? generator=None, dtype? dtype=None, **options) -> Tensor");
  ops.function<[](Size s, Generator* g, Type t) { return randn(s, t, g); }>(
      "randn(int... size, *, Generator? generator=None, dtype? dtype=None, **options) -> Tensor");
  ops.function<[](int64_t high, Size s, Generator* g, Type t) { return randint(0, high, s, t, g); },
               [](int64_t low, int64_t high, Size s, Generator* g, Type t) { return randint(low, high, s, t, g); }>(
      "randint",
      {"(int high, int[] size, *, Generator? generator=None, dtype? dtype=None, **options) -> Tensor",
       "(int low, int high, int[] size, *, Generator? generator=None, dtype? dtype=None, **options) -> Tensor"});
  ops.function<[](int64_t n, Generator* g, Type t) { return randperm(n, t, g); }>(
      "randperm(int n, *, Generator? generator=None, dtype? dtype=None, **options) -> Tensor");

  ops.function<[](const Tensor& x, Type t, const std::string& format, Generator* g) {
    return uniform_(empty_like(x, t, format), 0, 1, g);
  }>("rand_like(Tensor input, *, dtype? dtype=None, str memory_format='preserve_format', Generator? generator=None, "
     "**options) -> "
     "Tensor");
  ops.function<[](const Tensor& x, Type t, const std::string& format, Generator* g) {
    return normal_(empty_like(x, t, format), 0, 1, g);
  }>("randn_like(Tensor input, *, dtype? dtype=None, str memory_format='preserve_format', Generator? generator=None, "
     "**options) "
     "-> Tensor");
  ops.function<[](const Tensor& x, int64_t high, Type t, const std::string& format, Generator* g) {
    return random_(empty_like(x, t, format), 0, high, g);
  },
               [](const Tensor& x, int64_t low, int64_t high, Type t, const std::string& format, Generator* g) {
                 return random_(empty_like(x, t, format), low, high, g);
               }>("randint_like", {"(Tensor input, int high, *, dtype? dtype=None, str "
                                   "memory_format='preserve_format', Generator? generator=None, **options) -> Tensor",
                                   "(Tensor input, int low, int high, *, dtype? dtype=None, str "
                                   "memory_format='preserve_format', Generator? generator=None, **options) -> Tensor"});

  ops.function<[](const Tensor& mean, const Tensor& std, Generator* g) { return normal(mean, std, g); },
               [](const Tensor& mean, double std, Generator* g) { return normal(mean, std, g); },
               [](double mean, const Tensor& std, Generator* g) { return normal(mean, std, g); },
               [](double mean, double std, Size s, Generator* g, Type t) { return normal(mean, std, s, t, g); }>(
      "normal",
      {"(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor",
       "(Tensor mean, float std=1.0, *, Generator? generator=None) -> Tensor",
       "(float mean, Tensor std, *, Generator? generator=None) -> Tensor",
       "(float mean, float std, int[] size, *, Generator? generator=None, dtype? dtype=None, **options) -> Tensor"});
  ops.op<[](const Tensor& p, Generator* g) { return bernoulli(p, g); },
         [](const Tensor& x, double p, Generator* g) { return bernoulli(x, p, g); }>(
      "bernoulli", {"(Tensor input, *, Generator? generator=None) -> Tensor",
                    "(Tensor input, float p, *, Generator? generator=None) -> Tensor"});
  ops.function<&poisson>("poisson(Tensor input, *, Generator? generator=None) -> Tensor");
  ops.function<&binomial>("binomial(Tensor count, Tensor prob, *, Generator? generator=None) -> Tensor");
  ops.op<&multinomial>(
      "multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor");

  ops.method<&uniform_>("uniform_(Tensor input, float from=0.0, float to=1.0, *, Generator? generator=None) -> Tensor");
  ops.method<&normal_>("normal_(Tensor input, float mean=0.0, float std=1.0, *, Generator? generator=None) -> Tensor");
  ops.method<&log_normal_>(
      "log_normal_(Tensor input, float mean=1.0, float std=2.0, *, Generator? generator=None) -> Tensor");
  ops.method<&exponential_>("exponential_(Tensor input, float lambd=1.0, *, Generator? generator=None) -> Tensor");
  ops.method<&cauchy_>(
      "cauchy_(Tensor input, float median=0.0, float sigma=1.0, *, Generator? generator=None) -> Tensor");
  ops.method<&geometric_>("geometric_(Tensor input, float p, *, Generator? generator=None) -> Tensor");
  ops.method<[](const Tensor& x, const Tensor& p, Generator* g) { return bernoulli_(x, p, g); },
             [](const Tensor& x, double p, Generator* g) { return bernoulli_(x, p, g); }>(
      "bernoulli_", {"(Tensor input, Tensor p, *, Generator? generator=None) -> Tensor",
                     "(Tensor input, float p=0.5, *, Generator? generator=None) -> Tensor"});
  ops.method<[](const Tensor& x, Generator* g) { return random_(x, 0, {}, g); },
             [](const Tensor& x, int64_t to, Generator* g) { return random_(x, 0, to, g); },
             [](const Tensor& x, int64_t from, std::optional<int64_t> to, Generator* g) {
               return random_(x, from, to, g);
             }>("random_", {"(Tensor input, *, Generator? generator=None) -> Tensor",
                            "(Tensor input, int to, *, Generator? generator=None) -> Tensor",
                            "(Tensor input, int from, int? to, *, Generator? generator=None) -> Tensor"});
}

}  // namespace dlcore::bindings
