set(DLCORE_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-psabi -Wno-missing-field-initializers)
if(DLCORE_WERROR)
  list(APPEND DLCORE_WARNINGS -Werror)
endif()
