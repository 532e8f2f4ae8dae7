#include "dlcore/random.h"

namespace dlcore {

Generator& default_generator() {
  static Generator generator;
  return generator;
}

}  // namespace dlcore
