// Reductions and scans on every tier against their formulas in long double.
#include "reduce_problems.h"

namespace dlcore {
namespace {

using namespace kernel;
using namespace test;

// Roundings on the way of one element into a sum: a block of 4096 elements goes to four vectors of 16 bytes or more,
// then comes the tree above them. In float32 the blocks are added in float64, which does not show.
constexpr double kSumSteps = 4096 / 16 + 12;
double sum_steps(DType t, size_t n) {
  return t == DType::Float64 ? 4096 / 8 + 12 + static_cast<double>(n / 4096) : kSumSteps;
}

class ReduceTest : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable& k = kernels(GetParam());

  ref::Row run(const Reduce& a) {
    const DType t = a.y_dtype;
    const int64_t n = a.loops.outputs;
    Guarded<char> y(n * item_size(t));
    same_for_any_threads(
        y.size(), y.data(),
        [&](void* out) {
          Scratch scratch(a.plan.workspace());
          Reduce b = a;
          b.y = out;
          b.workspace = scratch.data();
          k.reduce(b);
        },
        what_);
    ref::Row result;
    for (int64_t i = 0; i < n; ++i) result.push_back(ref::load(t, y.data(), i));
    return result;
  }
  std::string what_;
};

struct OpCase {
  ReduceOp op;
  const char* name;
};
constexpr OpCase kOps[] = {{ReduceOp::Sum, "sum"},         {ReduceOp::NanSum, "nansum"},
                           {ReduceOp::AbsSum, "abs sum"},  {ReduceOp::SquareSum, "squares"},
                           {ReduceOp::PowerSum, "powers"}, {ReduceOp::Count, "count"},
                           {ReduceOp::Prod, "prod"},       {ReduceOp::Max, "max"},
                           {ReduceOp::Min, "min"},         {ReduceOp::AbsMax, "abs max"},
                           {ReduceOp::AbsMin, "abs min"},  {ReduceOp::Any, "any"},
                           {ReduceOp::All, "all"}};
bool floats_only(ReduceOp op) {
  return op == ReduceOp::NanSum || op == ReduceOp::AbsSum || op == ReduceOp::SquareSum || op == ReduceOp::PowerSum ||
         op == ReduceOp::AbsMax || op == ReduceOp::AbsMin;
}
bool exact(ReduceOp op) { return op == ReduceOp::Count || op >= ReduceOp::Max; }

TEST_P(ReduceTest, EveryOpOnEveryGeometry) {
  for (const Geometry& g : geometries()) {
    for (uint64_t mask = 0; mask < uint64_t{1} << g.sizes.size(); ++mask) {
      for (DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Int32, DType::Bool}) {
        if (dtype != DType::Float32 && g.numel() > 5000) continue;
        Filled x(dtype, g, 1);
        const std::vector<ref::Row> rows = ref::rows({dtype, x.data(), g.sizes, g.strides, mask});
        const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, mask), mask);
        const ReducePlan plan(loops);
        for (const OpCase& c : kOps) {
          if (!is_floating(dtype) && floats_only(c.op)) continue;
          if ((c.op == ReduceOp::Prod || c.op == ReduceOp::PowerSum) && rows[0].size() > 40) continue;
          if (g.numel() > 5000 && c.op != ReduceOp::Sum && c.op != ReduceOp::Max) continue;
          what_ = std::string(c.name) + " of " + name(dtype) + " " + g.text() + " mask " + std::to_string(mask);
          const bool truth = c.op == ReduceOp::Any || c.op == ReduceOp::All;
          const DType result = truth ? DType::Bool : is_floating(dtype) ? DType::Float64 : DType::Int64;
          const ref::Row y = run({c.op, dtype, result, x.data(), nullptr, loops, plan, nullptr, 1, 3});
          ASSERT_EQ(y.size(), rows.size());
          const double u = unit(dtype == DType::Float64 ? DType::Float64 : DType::Float32);
          for (size_t o = 0; o < y.size(); ++o) {
            const long double want = ref::reduce(c.op, 3, rows[o]);
            const bool cancels = c.op == ReduceOp::Sum || c.op == ReduceOp::NanSum;
            const long double size = cancels ? ref::reduce(ReduceOp::AbsSum, 1, rows[o]) : std::fabs(want);
            const double n = static_cast<double>(rows[o].size());
            const double steps = c.op == ReduceOp::Prod ? n : std::min(n, sum_steps(dtype, rows[o].size())) + 1;
            // Among elements below 3 a partial product may have been rounded to a subnormal number.
            const double tiny = c.op == ReduceOp::Prod && dtype != DType::Float64 ? n * 0x1p-149 * std::pow(3, n) : 0;
            ASSERT_TRUE(near(y[o], want, exact(c.op) || !is_floating(dtype) ? 0 : steps * u * size + tiny))
                << what_ << " output " << o << ": " << y[o] << ", expected " << want;
          }
        }
      }
    }
  }
}

TEST_P(ReduceTest, EveryDtypeAndFinish) {
  const Geometry g = dense({7, 130});
  for (DType dtype : {DType::Float16, DType::Int8, DType::Int16, DType::Int64, DType::UInt8}) {
    Filled x(dtype, g, 2, -100, 100);
    const std::vector<ref::Row> rows = ref::rows({dtype, x.data(), g.sizes, g.strides, 2});
    const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, 2), 2);
    const ReducePlan plan(loops);
    for (ReduceOp op : {ReduceOp::Sum, ReduceOp::Max, ReduceOp::Min}) {
      const ref::Row y =
          run({op, dtype, is_floating(dtype) ? DType::Float32 : DType::Int64, x.data(), nullptr, loops, plan, nullptr});
      for (size_t o = 0; o < y.size(); ++o)
        EXPECT_TRUE(near(y[o], ref::reduce(op, 0, rows[o]), is_floating(dtype) ? kSumSteps * 0x1p-24 * 13000 : 0))
            << name(dtype);
    }
  }
  Filled x(DType::Float32, g, 3);
  const std::vector<ref::Row> rows = ref::rows({DType::Float32, x.data(), g.sizes, g.strides, 2});
  const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, 2), 2);
  const ReducePlan plan(loops);
  const Reduce a{ReduceOp::SquareSum, DType::Float32, DType::Float32, x.data(), nullptr, loops, plan, nullptr, 0.5, 3};
  Reduce root = a, cube = a;
  root.finish = ReduceFinish::Sqrt;
  cube.finish = ReduceFinish::Root;
  cube.op = ReduceOp::PowerSum;
  const ref::Row y = run(root), z = run(cube);
  for (size_t o = 0; o < rows.size(); ++o) {
    const long double want = std::sqrt(ref::reduce(ReduceOp::SquareSum, 0, rows[o]) / 2);
    EXPECT_TRUE(near(y[o], want, kSumSteps * 0x1p-24 * want));
    const long double cubic = std::cbrt(ref::reduce(ReduceOp::PowerSum, 3, rows[o]));
    EXPECT_TRUE(near(z[o], cubic, kSumSteps * 0x1p-24 * cubic));
  }
}

TEST_P(ReduceTest, EmptyRangesGiveIdentities) {
  const Geometry g = dense({3, 0});
  Filled x(DType::Float32, g, 1);
  const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, 2), 2);
  const ReducePlan plan(loops);
  for (auto [op, identity] : std::vector<std::pair<ReduceOp, double>>{
           {ReduceOp::Sum, 0}, {ReduceOp::Prod, 1}, {ReduceOp::All, 1}, {ReduceOp::Any, 0}, {ReduceOp::Max, -INFINITY}})
    for (long double v : run({op, DType::Float32, DType::Float32, x.data(), nullptr, loops, plan, nullptr}))
      EXPECT_EQ(v, identity);
}

TEST_P(ReduceTest, NanAndInfinityGoThrough) {
  for (int64_t n : {5, 17, 200, 5000, 100000}) {
    const Geometry g = dense({n});
    const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, 1), 1);
    const ReducePlan plan(loops);
    for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
      Filled x(DType::Float32, g, 1);
      for (double special : {std::nan(""), -std::nan(""), HUGE_VAL, -HUGE_VAL}) {
        x.set(at, special);
        const ref::Row row = ref::rows({DType::Float32, x.data(), g.sizes, g.strides, 1})[0];
        for (ReduceOp op : {ReduceOp::Sum, ReduceOp::Max, ReduceOp::Min, ReduceOp::AbsMax, ReduceOp::AbsMin}) {
          const long double y = run({op, DType::Float32, DType::Float32, x.data(), nullptr, loops, plan, nullptr})[0];
          EXPECT_TRUE(near(y, ref::reduce(op, 0, row), kSumSteps * 0x1p-24 * 3 * static_cast<double>(n)))
              << static_cast<int>(op) << " " << special;
        }
      }
    }
  }
}

// The error bound of a float32 sum must not grow with its length.
TEST_P(ReduceTest, LongSumsStayAccurate) {
  const int64_t n = 10'000'000;
  std::vector<float> x(static_cast<size_t>(n));
  std::mt19937 random(1);
  double sum = 0;
  for (float& v : x) sum += static_cast<double>(v = static_cast<float>(random() % 1000003) / 1000003.f);
  const int64_t sizes[] = {n}, one[] = {1}, zero[] = {0};
  const ReduceLoops loops({sizes, 1}, {one, 1}, {zero, 1}, 1);
  const ReducePlan plan(loops);
  Scratch scratch(plan.workspace());
  float y = 0;
  k.reduce({ReduceOp::Sum, DType::Float32, DType::Float32, x.data(), &y, loops, plan, scratch.data()});
  EXPECT_LE(std::fabs(static_cast<double>(y) - sum), 16 * 0x1p-24 * sum)
      << "16 roundings: what random errors of 268 steps add up to";
}

TEST_P(ReduceTest, ArgFindsTheFirstExtreme) {
  for (const Geometry& g : geometries()) {
    for (uint64_t mask = 1; mask < uint64_t{1} << g.sizes.size(); ++mask) {
      if (mask & (mask - 1)) continue;  // one dimension: its index
      for (DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Int32}) {
        if (dtype != DType::Float32 && g.numel() > 5000) continue;
        Filled x(dtype, g, 5, -9, 9);
        for (int variant = 0; variant < 3; ++variant) {
          if (variant == 1)  // many equals
            for (int64_t i = 0; i < g.extent(); ++i)
              store(dtype, x.data(), i, static_cast<double>(static_cast<int>(ref::load(dtype, x.data(), i))));
          if (variant == 2 && is_floating(dtype))
            for (int64_t i = 3; i < g.extent(); i += 11) x.set(i, NAN);
          if (variant == 1 && g.extent() != g.numel()) continue;  // would give values to the gaps
          const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, mask), mask);
          const ReducePlan plan(loops);
          const std::vector<ref::Row> rows = ref::rows({dtype, x.data(), g.sizes, g.strides, mask});
          for (bool largest : {true, false}) {
            const std::string what =
                g.text() + " mask " + std::to_string(mask) + " " + name(dtype) + " variant " + std::to_string(variant);
            Guarded<int64_t> index(loops.outputs);
            Guarded<char> values(loops.outputs * item_size(dtype));
            same_for_any_threads(
                loops.outputs * 8, index.data(),
                [&](void* y) {
                  Scratch scratch(plan.workspace());
                  k.reduce_arg(
                      {largest, dtype, x.data(), values.data(), static_cast<int64_t*>(y), loops, plan, scratch.data()});
                },
                what);
            for (size_t o = 0; o < rows.size(); ++o) {
              const int64_t want = ref::arg(largest, rows[o]);
              ASSERT_EQ(index[static_cast<int64_t>(o)], want) << what << " output " << o;
              ASSERT_TRUE(
                  near(ref::load(dtype, values.data(), static_cast<int64_t>(o)), rows[o][static_cast<size_t>(want)], 0))
                  << what;
            }
          }
        }
      }
    }
  }
}

TEST_P(ReduceTest, MomentsAreAccurateFarFromZero) {
  for (const Geometry& g : geometries()) {
    for (uint64_t mask = 1; mask < uint64_t{1} << g.sizes.size(); ++mask) {
      for (DType dtype : {DType::Float32, DType::Float64}) {
        for (double center : {0.0, 1e4}) {
          if (g.numel() > 50000 && dtype == DType::Float64) continue;
          Filled x(dtype, g, 7, center - 1, center + 1);
          const ReduceLoops loops(g.sizes, g.strides, kept_strides(g, mask), mask);
          const ReducePlan plan(loops, kMomentsWidth);
          const std::vector<ref::Row> rows = ref::rows({dtype, x.data(), g.sizes, g.strides, mask});
          Guarded<char> mean(loops.outputs * item_size(dtype)), var(loops.outputs * item_size(dtype));
          const std::string what = g.text() + " mask " + std::to_string(mask);
          same_for_any_threads(
              var.size(), var.data(),
              [&](void* y) {
                Scratch scratch(plan.workspace());
                k.reduce_moments({dtype, x.data(), mean.data(), y, 1, false, loops, plan, scratch.data()});
              },
              what);
          for (size_t o = 0; o < rows.size(); ++o) {
            const ref::Moments want = ref::moments(rows[o], 1);
            const int64_t i = static_cast<int64_t>(o);
            // The mean: rounded once more wherever two blocks are joined, of 32 elements or more, and as a result.
            const double n = static_cast<double>(rows[o].size());
            const double e = (n / 32 + 4) * 0x1p-53 * (center + 1);
            ASSERT_TRUE(near(ref::load(dtype, mean.data(), i), want.mean, unit(dtype) * std::fabs(want.mean) + e))
                << what;
            // The variance: n squares are added, taken from a first mean that is summed in x's own type and so off by
            // `shift`; means that are off by e put 2 e |d| + e^2 into the squares d^2.
            const double deviation = std::sqrt(static_cast<double>(std::fabs(want.var)));
            const double shift = std::min(n, sum_steps(dtype, rows[o].size())) * unit(dtype) * (center + 1);
            const double bound = unit(dtype) * deviation * deviation +
                                 n * 0x1p-53 * (deviation * deviation + shift * shift) + 2 * e * deviation + e * e;
            ASSERT_TRUE(near(ref::load(dtype, var.data(), i), want.var, bound))
                << what << " output " << o << " " << ref::load(dtype, var.data(), i) << " expected " << want.var;
          }
        }
      }
    }
  }
}

struct ScanCase {
  ScanOp op;
  const char* name;
};

TEST_P(ReduceTest, ScansRunAlongOneDimension) {
  for (const Geometry& g : geometries()) {
    for (size_t d = 0; d < g.sizes.size(); ++d) {
      const uint64_t mask = uint64_t{1} << d;
      for (DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Int32}) {
        if (dtype != DType::Float32 && g.numel() > 5000) continue;
        Filled x(dtype, g, 11, -2, 2);
        const std::vector<ref::Row> rows = ref::rows({dtype, x.data(), g.sizes, g.strides, mask});
        const DType result = is_floating(dtype) ? dtype : DType::Int64;
        const std::vector<int64_t> y_strides = contiguous(g.sizes);
        const auto places = ref::offsets(g.sizes, y_strides, mask);
        const ReduceLoops loops(g.sizes, g.strides, y_strides, mask);
        for (const ScanCase& c : {ScanCase{ScanOp::Sum, "cumsum"},
                                  {ScanOp::Prod, "cumprod"},
                                  {ScanOp::LogSumExp, "logcumsumexp"},
                                  {ScanOp::Max, "cummax"},
                                  {ScanOp::Min, "cummin"}}) {
          const bool extreme = c.op == ScanOp::Max || c.op == ScanOp::Min,
                     adds = c.op == ScanOp::Sum || c.op == ScanOp::Prod;
          if (c.op == ScanOp::LogSumExp && (!is_floating(dtype) || rows[0].size() > 200)) continue;
          if (c.op == ScanOp::Prod && !is_floating(dtype) && rows[0].size() > 40) continue;
          if (c.op != ScanOp::Sum && rows[0].size() > 2000) continue;
          const DType y_dtype = extreme ? dtype : result;
          const ReducePlan plan(loops, ReducePlan::kMaxWidth, adds);
          Guarded<char> y(g.numel() * item_size(y_dtype));
          Guarded<int64_t> index(extreme ? g.numel() : 0);
          const std::string what =
              std::string(c.name) + " of " + name(dtype) + " " + g.text() + " dim " + std::to_string(d);
          same_for_any_threads(
              y.size(), y.data(),
              [&](void* out) {
                Scratch scratch(plan.workspace());
                k.scan({c.op, dtype, y_dtype, x.data(), out, extreme ? index.data() : nullptr, loops, plan,
                        scratch.data()});
              },
              what);
          for (size_t o = 0; o < rows.size(); ++o) {
            std::vector<int64_t> from;
            const ref::Row want = ref::scan(c.op, rows[o], &from);
            long double size = 0;
            for (size_t i = 0; i < want.size(); ++i) {
              size = c.op == ScanOp::Sum ? size + std::fabs(rows[o][i]) : std::fabs(want[i]);
              const double u = (c.op == ScanOp::Prod ? static_cast<double>(i) : 1) * 0x1p-50;  // float64 on the way
              const long double bound =
                  extreme || !is_floating(dtype) ? 0 : unit(y_dtype) * std::fabs(want[i]) + u * (size + 1);
              ASSERT_TRUE(near(ref::load(y_dtype, y.data(), places[o][i]), want[i], bound))
                  << what << " " << o << ", " << i;
              if (extreme) {
                ASSERT_EQ(index[places[o][i]], from[i]) << what;
              }
            }
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, ReduceTest, testing::ValuesIn(available_tiers()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace dlcore
