set(DLCORE_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-psabi -Wno-missing-field-initializers
  -Wno-uninitialized -Wno-maybe-uninitialized)  # GCC 12 finds them in its own intrinsics headers
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND DLCORE_WARNINGS -Wno-restrict -Wno-stringop-overflow)  # and these in its std::string
endif()
if(DLCORE_WERROR)
  list(APPEND DLCORE_WARNINGS -Werror)
endif()
