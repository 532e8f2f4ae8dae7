set(DLCORE_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-psabi -Wno-missing-field-initializers
  -Wno-uninitialized -Wno-maybe-uninitialized)  # GCC 12 finds them in its own intrinsics headers
if(DLCORE_WERROR)
  list(APPEND DLCORE_WARNINGS -Werror)
endif()
