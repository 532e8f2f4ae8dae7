#include "core/profiler.h"

#include "bindings/pybind.h"

namespace dlcore::bindings {
namespace {

const char* name_of(ProfileKind k) {
  return k == ProfileKind::Kernel ? "kernel" : k == ProfileKind::Node ? "node" : "block";
}

}  // namespace

void bind_profiler(py::module_& m) {
  m.def("_start_profile", &start_profile);
  // (nanoseconds, dropped, totals [(name, kind, backward, calls, nanoseconds, bytes, flops, allocated)],
  //  the bytes of the ProfileEvents)
  m.def("_stop_profile", [] {
    const Profile p = stop_profile();
    py::list totals;
    for (const ProfileTotal& t : p.totals)
      totals.append(py::make_tuple(t.name, name_of(t.kind), t.backward, t.calls, t.nanoseconds, t.cost.bytes,
                                   t.cost.flops, t.allocated));
    static_assert(sizeof(ProfileEvent) == 48);
    const py::bytes events(reinterpret_cast<const char*>(p.events.data()), p.events.size() * sizeof(ProfileEvent));
    return py::make_tuple(p.nanoseconds, p.dropped, totals, events);
  });
  // 0 where no profile is taken.
  m.def("_block_start", [] { return profiling ? profile_clock() : 0; });
  m.def("_block_end", [](const std::string& name, int64_t start) {
    if (start) profile_block(name, start);
  });
}

}  // namespace dlcore::bindings
