#include "core/check.h"

#include <sstream>

namespace dlcore {

std::string format_parts(std::initializer_list<Part> parts) {
  std::ostringstream text;
  text.precision(17);
  for (const Part& part : parts) text << part;
  return text.str();
}

}  // namespace dlcore
