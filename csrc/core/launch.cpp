#include "core/launch.h"

namespace dlcore {

HostHooks host_hooks;
thread_local bool interrupt_seen = false;

bool take_interrupt() {
  const bool seen = interrupt_seen;
  interrupt_seen = false;
  return seen;
}

void check_interrupt() {
  if (host_hooks.raise_interrupt) host_hooks.raise_interrupt();
}

}  // namespace dlcore
