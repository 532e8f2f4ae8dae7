#pragma once
#include <string>

#include "dlcore/export.h"

namespace dlcore {

// Threads that the library's parallel loops use: by default the CPUs that affinity and the cgroup's quota leave to this
// process. Results do not depend on it.
DLCORE_API int get_num_threads();
DLCORE_API void set_num_threads(int n);
// Where the default comes from, in words: "2 CPUs in the affinity mask".
DLCORE_API std::string thread_count_reason();

}  // namespace dlcore
