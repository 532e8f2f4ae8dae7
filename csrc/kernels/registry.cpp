#include "kernels/registry.h"

#include <cstdlib>

#include "core/check.h"
#include "core/stream.h"

namespace dlcore {
namespace kernel {

#define DLCORE_DECLARE_TIER(tier) \
  namespace tier {                \
  void fill_tier(KernelTable& t); \
  }
DLCORE_DECLARE_TIER(baseline)
DLCORE_DECLARE_TIER(avx2)
DLCORE_DECLARE_TIER(avx512)

}  // namespace kernel

namespace {

struct Tier {
  const char* name;
  bool available;
  void (*fill)(KernelTable&);
};

// __builtin_cpu_supports looks at CPUID and at XCR0: a register file that the system does not save is not available.
std::vector<Tier> tiers() {
  std::vector<Tier> list;
#if DLCORE_HAVE_baseline
  list.push_back({"baseline", true, kernel::baseline::fill_tier});
#endif
#if DLCORE_HAVE_avx2
  list.push_back({"avx2", static_cast<bool>(__builtin_cpu_supports("x86-64-v3")), kernel::avx2::fill_tier});
#endif
#if DLCORE_HAVE_avx512
  list.push_back({"avx512", static_cast<bool>(__builtin_cpu_supports("x86-64-v4")), kernel::avx512::fill_tier});
#endif
  return list;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& n : names) text += (text.empty() ? "" : ", ") + n;
  return text;
}

KernelTable make_table(const std::string& wanted) {
  KernelTable table{};
  for (const Tier& tier : tiers()) {
    if (!tier.available || (!wanted.empty() && wanted != tier.name)) continue;
    table.tier = tier.name;
    tier.fill(table);
  }
  DLCORE_CHECK(table.tier, RuntimeError, "DLCORE_ISA: expected one of the tiers that this machine runs (",
               join(available_tiers()), ") but got '", wanted, "' (compiled: ", join(compiled_tiers()), ")");
  return table;
}

}  // namespace

std::vector<std::string> compiled_tiers() {
  std::vector<std::string> names;
  for (const Tier& tier : tiers()) names.push_back(tier.name);
  return names;
}

std::vector<std::string> available_tiers() {
  std::vector<std::string> names;
  for (const Tier& tier : tiers())
    if (tier.available) names.push_back(tier.name);
  return names;
}

const KernelTable& kernels() {
  static const KernelTable table = [] {
    const char* wanted = std::getenv("DLCORE_ISA");
    streams(0);  // a variable that is no number throws here, not among threads
    return make_table(wanted ? wanted : "");
  }();
  return table;
}

const KernelTable& kernels(const std::string& tier) {
  static const std::vector<KernelTable> tables = [] {
    std::vector<KernelTable> list;
    for (const std::string& n : available_tiers()) list.push_back(make_table(n));
    return list;
  }();
  for (const KernelTable& table : tables)
    if (tier == table.tier) return table;
  (void)make_table(tier);  // throws, naming the tiers there are
  return tables.front();
}

}  // namespace dlcore
